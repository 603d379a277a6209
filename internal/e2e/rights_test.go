package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// unusedRights lists the rights that no end-to-end test uses, each with the reason why the operator
// has it.
const unusedRights = "testdata/unused_rights.txt"

// right is a verb on a resource, such as "patch multipartuploads.iotfile.dev/status".
type right struct{ verb, resource string }

func (r right) String() string { return r.verb + " " + r.resource }

// grant is a right that the operator's roles give, in a namespace, or in all and on what is in
// none; on objects of some names, or on all.
type grant struct {
	right
	namespace string
	names     string // separated by commas
}

func (g grant) String() string {
	s := g.right.String()
	if g.names != "" {
		s += " (" + g.names + ")"
	}
	if g.namespace != "" {
		s += " in " + g.namespace
	}
	return s
}

// request is what the operator has asked the API server for.
type request struct {
	right
	namespace, name string
	refused         bool
	by              string // the roles that have allowed it, in the words of the API server
}

func (g grant) covers(r request) bool {
	return g.right == r.right && (g.namespace == "" || g.namespace == r.namespace) &&
		(g.names == "" || slices.Contains(strings.Split(g.names, ","), r.name))
}

func resourceName(group, resource, subresource string) string {
	if group != "" {
		resource += "." + group
	}
	if subresource != "" {
		resource += "/" + subresource
	}
	return resource
}

// shippedGrants are those of the manifests.
func shippedGrants() ([]grant, error) {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Join(root, "config", "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var grants []grant
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		var role rbacv1.ClusterRole // a Role has the same fields
		if err := decoder.Decode(&role); errors.Is(err, io.EOF) {
			return grants, nil
		} else if err != nil {
			return nil, err
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					name, sub, _ := strings.Cut(resource, "/")
					for _, verb := range rule.Verbs {
						grants = append(grants, grant{
							right{verb, resourceName(group, name, sub)}, role.Namespace, strings.Join(rule.ResourceNames, ","),
						})
					}
				}
			}
		}
	}
}

// auditedRequests reads what the operators have asked for since the control plane was started, but
// for what everybody may: the version and the list of kinds.
func auditedRequests(path string) (map[request]int, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	requests := map[request]int{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditv1.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		ref := event.ObjectRef
		if ref == nil {
			continue
		}
		// Not the status: 403 is also the answer to one request too many for a quota.
		refused := event.Annotations["authorization.k8s.io/decision"] != "allow"
		requests[request{
			right{event.Verb, resourceName(ref.APIGroup, ref.Resource, ref.Subresource)},
			ref.Namespace, ref.Name, refused,
			event.Annotations["authorization.k8s.io/reason"],
		}]++
	}
	return requests, lines.Err()
}

// use is how often, and where, a grant was made use of.
type use struct {
	requests   int
	namespaces map[string]bool
}

// judgeRights compares what the operators have asked for with what they are granted. A request that
// was refused is a right that is missing. If everything the operator can be asked to do was asked
// of it (whole), a right that nothing has used is a surplus, unless unused says what it is for; and
// one in all namespaces that was used in the operator's own alone is too wide.
func judgeRights(grants []grant, requests map[request]int, unused map[right]string, whole bool) (report string, err error) {
	var findings []error
	uses := map[grant]*use{}
	for _, g := range grants {
		uses[g] = &use{namespaces: map[string]bool{}}
	}
	for r, n := range requests {
		if r.refused {
			findings = append(findings, fmt.Errorf("missing right: %s in namespace %q, name %q, was refused %d times", r.right, r.namespace, r.name, n))
			continue
		}
		covered := false
		for g, u := range uses {
			if g.covers(r) {
				covered = true
				u.requests += n
				u.namespaces[r.namespace] = true
			}
		}
		if !covered && !strings.Contains(r.by, `"system:basic-user"`) { // which lets everybody ask who they are
			findings = append(findings, fmt.Errorf("%s is none of the operator's rights, and yet: %s", r.right, r.by))
		}
	}
	var text strings.Builder
	fmt.Fprintln(&text, "rights of the operator, and how many requests made use of them, in how many namespaces:")
	for _, g := range slices.SortedFunc(slices.Values(grants), func(a, b grant) int { return strings.Compare(a.resource+a.verb, b.resource+b.verb) }) {
		u := uses[g]
		fmt.Fprintf(&text, "  %-90s %7d %4d", g, u.requests, len(u.namespaces))
		reason, excused := unused[g.right]
		switch {
		case !whole:
		case u.requests == 0 && !excused:
			findings = append(findings, fmt.Errorf("surplus right: %s was not used; take it away, or say in %s what it is for", g, unusedRights))
		case u.requests == 0:
			fmt.Fprintf(&text, "  unused: %s", reason)
		case excused: // some are used at times, such as when an event is repeated soon enough
			fmt.Fprintf(&text, "  used, though it need not be: %s", reason)
		case g.namespace == "" && len(u.namespaces) == 1 && u.namespaces[devcluster.OperatorNamespace]:
			findings = append(findings, fmt.Errorf("wide right: %s holds in all namespaces, and was used in %s alone", g, devcluster.OperatorNamespace))
		}
		fmt.Fprintln(&text)
	}
	for r := range maps.Keys(unused) {
		if !slices.ContainsFunc(grants, func(g grant) bool { return g.right == r }) {
			findings = append(findings, fmt.Errorf("%s is in %s and is no right of the operator", r, unusedRights))
		}
	}
	return text.String(), errors.Join(findings...)
}

// readUnused reads lines of a verb, a resource and a reason.
func readUnused() (map[right]string, error) {
	data, err := os.ReadFile(unusedRights)
	if err != nil {
		return nil, err
	}
	unused := map[right]string{}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 4 {
			return nil, fmt.Errorf("%s: a verb, a resource and a reason are wanted: %q", unusedRights, line)
		}
		unused[right{words[0], words[1]}] = strings.Join(words[2:], " ")
	}
	return unused, nil
}

// checkRights judges the rights of all operators that have run. whole reports whether all tests
// have.
func checkRights(whole bool) (string, error) {
	grants, err := shippedGrants()
	if err != nil {
		return "", err
	}
	requests, err := auditedRequests(system.plane.AuditLog)
	if err != nil {
		return "", err
	}
	unused, err := readUnused()
	if err != nil {
		return "", err
	}
	return judgeRights(grants, requests, unused, whole)
}

// wholeSuite reports whether no flag leaves tests out.
func wholeSuite() bool {
	return flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" && !testing.Short()
}

// TestRightsAreJudged judges the judge.
func TestRightsAreJudged(t *testing.T) {
	read, update := right{"get", "secrets"}, right{"update", "secrets"}
	grants := []grant{{right: read}, {right: update, namespace: devcluster.OperatorNamespace, names: "a,b"}}
	ask := func(r right, namespace, name string) request {
		return request{right: r, namespace: namespace, name: name}
	}
	refused, foreign := ask(read, "default", "x"), ask(update, devcluster.OperatorNamespace, "c")
	refused.refused, foreign.by = true, `RBAC: allowed by ClusterRoleBinding "cluster-admin"`
	good := []request{ask(read, "default", "x"), ask(read, devcluster.OperatorNamespace, "x"), ask(update, devcluster.OperatorNamespace, "b")}
	for name, tt := range map[string]struct {
		requests []request
		unused   map[right]string
		partial  bool
		want     string // "" for no finding
	}{
		"all used":           {requests: good},
		"one refused":        {requests: append(slices.Clone(good), refused), want: "missing right: get secrets"},
		"refused in a part":  {requests: []request{refused}, partial: true, want: "missing right: get secrets"},
		"one unused":         {requests: good[:2], want: "surplus right: update secrets (a,b)"},
		"unused in a part":   {requests: good[:2], partial: true},
		"excused":            {requests: good[:2], unused: map[right]string{update: "because"}},
		"excused and used":   {requests: good, unused: map[right]string{update: "because"}},
		"excused, not there": {requests: good, unused: map[right]string{{"watch", "pods"}: "because"}, want: "no right of the operator"},
		"too wide":           {requests: good[1:], want: "wide right: get secrets"},
		"by another role":    {requests: append(slices.Clone(good), foreign), want: "none of the operator's rights"},
		"of another name":    {requests: append(slices.Clone(good[:2]), foreign), want: "surplus right: update secrets"},
	} {
		counted := map[request]int{}
		for _, r := range tt.requests {
			counted[r]++
		}
		report, err := judgeRights(grants, counted, tt.unused, !tt.partial)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: found %v, want %q\n%s", name, err, tt.want, report)
		}
	}
}
