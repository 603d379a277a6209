package e2e

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// apiRequests is how many objects of a kind the API server has been asked to create, by its own
// count.
func apiRequests(t *testing.T, resource string) int {
	t.Helper()
	data, err := kubernetes.NewForConfigOrDie(system.plane.RESTConfig()).Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "apiserver_request_total{") || !strings.Contains(line, `resource="`+resource+`"`) {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return int(total)
}

// TestFewReviews sends 10,000 parts with 50 tokens. They are too small and refused, but only after
// their caller, and the upload, have been found: the way of all parts.
func TestFewReviews(t *testing.T) {
	const parts, tokens, senders = 10_000, 50, 100
	tn := system.tenants[0]
	tn.waitReady(t)
	f := tn.newFile("many.bin")
	f.must(t, 201, http.MethodPut, "?upload=start", nil)
	defer f.must(t, 204, http.MethodPut, "?upload=abort", nil)
	clients := make([]*file, tokens)
	for i := range clients {
		token, err := system.plane.ServiceAccountToken(t.Context(), tn.namespace, "app", time.Hour, devcluster.Audience)
		if err != nil {
			t.Fatal(err)
		}
		remember(token)
		clients[i] = &file{tenant: &tenant{token: token}}
	}
	tokenReviews, accessReviews := apiRequests(t, "tokenreviews"), apiRequests(t, "subjectaccessreviews")
	begin := time.Now()
	var group sync.WaitGroup
	next := make(chan int)
	for range senders {
		group.Go(func() {
			for i := range next {
				a, err := clients[i%tokens].do(t.Context(), http.MethodPut, f.url("files", "?part=1"), []byte("x"))
				if err != nil || a.status != 400 {
					t.Errorf("part %d: %v %v", i, a, err)
				}
			}
		})
	}
	for i := range parts {
		next <- i
	}
	close(next)
	group.Wait()
	took := time.Since(begin)
	tokenReviews, accessReviews = apiRequests(t, "tokenreviews")-tokenReviews, apiRequests(t, "subjectaccessreviews")-accessReviews
	t.Logf("%d parts of %d tokens in %s: %d TokenReviews, %d SubjectAccessReviews", parts, tokens, took.Round(time.Millisecond), tokenReviews, accessReviews)
	limit := tokens * (1 + int(took/(2*time.Minute)))
	if tokenReviews < tokens || tokenReviews > limit || accessReviews < tokens || accessReviews > limit {
		t.Errorf("want %d to %d of each", tokens, limit)
	}
}

// TestTimeTellsNothing measures how long refusals take, of what is there and of what is not, in
// turns: of entities that were never asked for and of those that were.
func TestTimeTellsNothing(t *testing.T) {
	const n = 300
	a, b := system.tenants[0], system.tenants[1]
	a.waitReady(t)
	b.waitReady(t)
	nobody := newCaller(t, caller{name: "nobody-at-all", namespace: a.namespace})
	there, absent := make([]*file, n), make([]*file, n)
	for i := range n {
		there[i], absent[i] = a.newFile("f"), a.newFile("f")
		there[i].must(t, 201, http.MethodPut, "", []byte("x"))
	}
	took := map[string][]time.Duration{}
	ask := func(what, namespace string, f *file) {
		begin := time.Now()
		got := nobody.send(t, http.MethodGet, namespace, "files/"+f.entity+"/f", nil)
		took[what] = append(took[what], time.Since(begin))
		if got.status != 403 {
			t.Fatalf("%s: %d", what, got.status)
		}
	}
	for i := range n {
		for _, round := range []string{"first", "again"} {
			kinds := []func(){
				func() { ask(round+", file there", a.namespace, there[i]) },
				func() { ask(round+", file absent", a.namespace, absent[i]) },
				func() { ask(round+", namespace of others", b.namespace, there[i]) },
				func() { ask(round+", namespace absent", noSuchNamespace, there[i]) },
			}
			for k := range kinds {
				kinds[(i+k)%len(kinds)]() // each has each turn
			}
		}
	}
	at := func(what string, percent int) time.Duration {
		slices.Sort(took[what])
		return took[what][len(took[what])*percent/100]
	}
	for _, round := range []string{"first", "again"} {
		reference := at(round+", file absent", 50)
		for _, what := range []string{", file there", ", file absent", ", namespace of others", ", namespace absent"} {
			p50, p99 := at(round+what, 50), at(round+what, 99)
			t.Logf("| %s%s | %d | %s | %s |", round, what, n, p50.Round(time.Microsecond), p99.Round(time.Microsecond))
			if p50 > 2*reference || reference > 2*p50 {
				t.Errorf("%s%s: the median is %s, and that of an absent file %s", round, what, p50, reference)
			}
		}
	}
}
