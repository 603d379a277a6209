package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// noSuchNamespace does not exist.
const noSuchNamespace = "no-such-namespace"

// caller is a service account with rights of its own.
type caller struct {
	name, namespace, token string
	// verbs that it has in its namespace, in all namespaces if everywhere is set, on one entity if
	// only names it.
	verbs      []string
	everywhere bool
	only       string
}

// may is what RBAC is expected to come to.
func (c caller) may(verb, namespace, entity string) bool {
	return slices.Contains(c.verbs, verb) && (c.everywhere || namespace == c.namespace) && (c.only == "" || c.only == entity)
}

// newCaller makes the service account, its role and its token.
func newCaller(t *testing.T, c caller) caller {
	t.Helper()
	var err error
	if c.token, err = system.plane.ServiceAccountToken(t.Context(), c.namespace, c.name, time.Hour, devcluster.Audience); err != nil {
		t.Fatal(err)
	}
	remember(c.token)
	if len(c.verbs) == 0 {
		return c
	}
	rule := rbacv1.PolicyRule{APIGroups: []string{"iotfile.dev"}, Resources: []string{"files"}, Verbs: c.verbs}
	if c.only != "" {
		rule.ResourceNames = []string{c.only}
	}
	meta := metav1.ObjectMeta{Name: "test-" + c.name, Namespace: c.namespace}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: c.namespace, Name: c.name}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name}
	objects := []client.Object{&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{rule}}, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}}
	if c.everywhere {
		meta.Namespace, ref.Kind = "", "ClusterRole"
		objects = []client.Object{&rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{rule}}, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}}
	}
	for _, object := range objects {
		if err := system.kube.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = system.kube.Delete(t.Context(), object) })
	}
	return c
}

// send sends a request as the caller, to a namespace that is named.
func (c caller) send(t *testing.T, method, namespace, path string, body []byte, header ...string) *answer {
	t.Helper()
	f := &file{tenant: &tenant{token: c.token}}
	a, err := f.do(t.Context(), method, system.operator.URL+"/namespaces/"+namespace+"/api/iotfile/v3/"+path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// probe is a request that changes nothing. Any of verbs is enough for it; status answers it when
// the caller may.
type probe struct {
	name, method, path string // path with %s for the entity
	header             []string
	body               []byte
	verbs              []string
	status             int
}

var (
	update = []string{"If-Match", "7"}
	probes = []probe{
		{"read", http.MethodGet, "files/%s/there.bin", nil, nil, []string{"get"}, 200},
		{"read absent", http.MethodGet, "files/%s/absent.bin", nil, nil, []string{"get"}, 404},
		{"parts", http.MethodGet, "fileslist/%s/there.bin", nil, nil, []string{"get"}, 404},
		{"search", http.MethodGet, "files/%s", nil, nil, []string{"list"}, 200},
		{"put", http.MethodPut, "files/%s/there.bin", nil, []byte("x"), []string{"create"}, 409},
		{"put absent", http.MethodPut, "files/%s/absent.bin", update, []byte("x"), []string{"update"}, 409},
		{"start", http.MethodPut, "files/%s/there.bin?upload=start", nil, nil, []string{"create"}, 409},
		{"update", http.MethodPut, "files/%s/there.bin?upload=start", update, nil, []string{"update"}, 409},
		{"part", http.MethodPut, "files/%s/there.bin?part=1", nil, []byte("x"), []string{"create", "update"}, 400},
		{"complete", http.MethodPut, "files/%s/there.bin?upload=complete", update, nil, []string{"update"}, 409},
		{"abort", http.MethodPut, "files/%s/there.bin?upload=abort", nil, nil, []string{"create", "update"}, 404},
		{"delete", http.MethodDelete, "files/%s/absent.bin", nil, nil, []string{"delete"}, 404},
	}
)

// right is what a refusal of the request names.
func (p probe) right() string { return strings.Join(p.verbs, " or ") }

// want is the status that the caller is to get.
func (p probe) want(c caller, namespace, entity string) int {
	switch {
	case !slices.ContainsFunc(p.verbs, func(v string) bool { return c.may(v, namespace, entity) }):
		return 403
	case namespace == noSuchNamespace:
		return 404
	}
	return p.status
}

// TestAuthorization holds the table of who may do what against real RBAC, and the refusals of a
// right against each other: nothing but the right that was missing may tell them apart.
func TestAuthorization(t *testing.T) {
	a, b := system.tenants[0], system.tenants[1]
	a.waitReady(t)
	b.waitReady(t)
	mine, others := a.newFile("there.bin"), a.newFile("there.bin")
	for _, f := range []*file{mine, others, {tenant: b, entity: mine.entity, path: "there.bin"}, {tenant: b, entity: others.entity, path: "there.bin"}} {
		f.must(t, 201, http.MethodPut, "", []byte("secret"))
	}
	all := []string{"get", "list", "create", "update", "delete"}
	callers := []caller{
		newCaller(t, caller{name: "all", namespace: a.namespace, verbs: all}),
		newCaller(t, caller{name: "reader", namespace: a.namespace, verbs: []string{"get", "list"}}),
		newCaller(t, caller{name: "creator", namespace: a.namespace, verbs: []string{"create"}}),
		newCaller(t, caller{name: "updater", namespace: a.namespace, verbs: []string{"update"}}),
		newCaller(t, caller{name: "one-device", namespace: a.namespace, verbs: all, only: mine.entity}),
		newCaller(t, caller{name: "stranger", namespace: b.namespace, verbs: all}),
		newCaller(t, caller{name: "auditor", namespace: a.namespace, verbs: []string{"get", "list"}, everywhere: true}),
		newCaller(t, caller{name: "nobody", namespace: a.namespace}),
	}
	entities := map[string]string{"mine": mine.entity, "another": others.entity}
	each := func(do func(c caller, namespace, label string, answers []*answer)) {
		for _, c := range callers {
			for _, namespace := range []string{a.namespace, b.namespace, noSuchNamespace} {
				for label, entity := range entities {
					answers := make([]*answer, 0, len(probes))
					for _, p := range probes {
						answers = append(answers, c.send(t, p.method, namespace, fmt.Sprintf(p.path, entity), p.body, p.header...))
					}
					do(c, namespace, label, answers)
				}
			}
		}
	}
	eventually(t, "the roles come into effect", func() (err error) {
		each(func(c caller, namespace, label string, answers []*answer) {
			for i, p := range probes {
				if p.want(c, namespace, entities[label]) != 403 && answers[i].status == 403 {
					err = fmt.Errorf("%s may not yet %s", c.name, p.name)
				}
			}
		})
		return err
	})
	refusals := map[string]map[string][]string{} // by the right that would have done, and by what they say
	for _, p := range probes {
		refusals[p.right()] = map[string][]string{}
	}
	each(func(c caller, namespace, label string, answers []*answer) {
		row := []string{}
		for i, p := range probes {
			got := answers[i]
			if want := p.want(c, namespace, entities[label]); got.status != want {
				t.Errorf("%s, %s in %s, entity %s: %d, want %d: %s", c.name, p.name, namespace, label, got.status, want, got.body)
			}
			if got.status == 403 {
				same, text := refusals[p.right()], looks(t, got)
				same[text] = append(same[text], c.name+" "+p.name)
			}
			row = append(row, fmt.Sprint(got.status))
		}
		t.Logf("| %s | %s | %s | %s |", c.name, namespace, label, strings.Join(row, " | "))
	})
	for right, texts := range refusals {
		if len(texts) != 1 || !strings.Contains(fmt.Sprint(texts), "the right to "+right+" files.iotfile.dev") {
			t.Errorf("refusals of the right to %s are none, can be told apart, or do not name it: %v", right, texts)
		}
	}
}

// looks is all of an answer that is the same from one time to the next.
func looks(t *testing.T, a *answer) string {
	t.Helper()
	var e struct{ ID, Message string }
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatal(err)
	}
	header := a.header.Clone()
	for _, name := range []string{"Date", "X-Request-Id"} {
		header.Del(name)
	}
	return fmt.Sprint(a.status, header, e.Message)
}

// TestOwnKind lets those that may only create, or only update, meddle with an upload of the other
// kind.
func TestOwnKind(t *testing.T) {
	tn := system.tenants[0]
	tn.waitReady(t)
	fresh, there := tn.newFile("fresh.bin"), tn.newFile("there.bin")
	there.must(t, 201, http.MethodPut, "", []byte("one"))
	fresh.must(t, 201, http.MethodPut, "?upload=start", nil)
	there.must(t, 204, http.MethodPut, "?upload=start", nil, "If-Match", "0")
	creator := newCaller(t, caller{name: "only-creates", namespace: tn.namespace, verbs: []string{"create"}})
	updater := newCaller(t, caller{name: "only-updates", namespace: tn.namespace, verbs: []string{"update"}})
	content := random(partSize)
	path := func(f *file, query string) string { return "files/" + f.entity + "/" + f.path + query }
	eventually(t, "the roles come into effect", func() error {
		if c, u := creator.send(t, http.MethodPut, tn.namespace, path(tn.newFile("x"), "?upload=abort"), nil), updater.send(t, http.MethodPut, tn.namespace, path(tn.newFile("x"), "?upload=abort"), nil); c.status != 404 || u.status != 404 {
			return fmt.Errorf("%d, %d", c.status, u.status)
		}
		return nil
	})
	for _, tt := range []struct {
		who    caller
		on     *file
		query  string
		body   []byte
		status int
	}{
		{updater, fresh, "?part=1", content, 403},
		{creator, there, "?part=1", content, 403},
		{updater, fresh, "?upload=complete", []byte("x"), 403},
		{creator, there, "?upload=complete", []byte("x"), 403},
		{updater, fresh, "?upload=abort", nil, 403},
		{creator, there, "?upload=abort", nil, 403},
		{creator, fresh, "?part=1", content, 201},
		{updater, there, "?part=1", content, 204},
		{creator, fresh, "?upload=complete", nil, 201},
		{updater, fresh, "?upload=complete", nil, 403}, // the answer again is nothing for them either
		{updater, there, "?upload=abort", nil, 403},    // somebody else has started it
	} {
		if got := tt.who.send(t, http.MethodPut, tn.namespace, path(tt.on, tt.query), tt.body); got.status != tt.status {
			t.Errorf("%s, %s%s: %d, want %d: %s", tt.who.name, tt.on.path, tt.query, got.status, tt.status, got.body)
		}
	}
}

// TestUnauthenticated sends what is no token for us. Whether there is a file changes nothing.
func TestUnauthenticated(t *testing.T) {
	tn := system.tenants[0]
	tn.waitReady(t)
	f := tn.newFile("there.bin")
	f.must(t, 201, http.MethodPut, "", []byte("secret"))
	forTheAPI, err := system.plane.ServiceAccountToken(t.Context(), tn.namespace, "app", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for _, authorization := range []string{"", "Bearer", "Bearer nonsense", "Basic " + tn.token, "Bearer " + forTheAPI, "Bearer " + tn.token[:len(tn.token)-8] + "AAAAAAAA"} {
		for _, path := range []string{"files/" + f.entity + "/there.bin", "files/" + f.entity + "/absent.bin", "files/" + f.entity} {
			a, err := f.do(t.Context(), http.MethodGet, system.operator.URL+"/api/iotfile/v3/"+path, nil, "Authorization", authorization)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != 401 || a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%.12q: %d %v", authorization, a.status, a.header)
			}
			texts[looks(t, a)] = true
		}
	}
	if len(texts) != 1 {
		t.Errorf("answers differ: %v", texts)
	}
}
