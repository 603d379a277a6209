package e2e

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestReplayAfterKill sends each request, kills the operator while it is at work on it, and sends
// the same request again: the outcome is that of one request. Where in its work the operator dies
// is left to chance, and differs from run to run. One that dies between opening an upload and
// recording it leaves an orphan under the file's key, which is to go as well.
func TestReplayAfterKill(t *testing.T) {
	useQuickSweep(t, func(o *devcluster.OperatorOptions) {
		o.LeaderElect = false // the next one need not wait for the lease of one that was killed
	})
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("killed.bin")
		part, last := random(partSize), random(mib+7)
		f.killed(t, []int{201}, http.MethodPut, "?upload=start", nil, "Idempotency-Key", "one")
		f.must(t, 400, http.MethodPut, "?upload=start", nil, "Idempotency-Key", "another")
		f.killed(t, []int{201}, http.MethodPut, "?part=1", part)
		a := f.killedCompletion(t, tn, part, last)
		f.checkContent(t, slices.Concat(part, last)) // the final part is not there twice
		if etag := a.header.Get("ETag"); etag != "0" {
			t.Errorf("completed: ETag %q", etag)
		}
		if u := f.mustRecord(t); u.Spec.FinalPartNumber == nil || *u.Spec.FinalPartNumber != 2 {
			t.Errorf("the final part has number %v, not 2", u.Spec.FinalPartNumber)
		}
		update := random(mib)
		a = f.killed(t, []int{204}, http.MethodPut, "", update, "If-Match", "0", "Idempotency-Key", "two")
		if etag := a.header.Get("ETag"); etag != "1" {
			t.Errorf("updated: ETag %q", etag)
		}
		f.checkContent(t, update)

		f.must(t, 204, http.MethodPut, "?upload=start", nil, "If-Match", "1")
		f.must(t, 204, http.MethodPut, "?part=1", part)
		u := f.mustRecord(t)
		f.killed(t, []int{204, 404}, http.MethodPut, "?upload=abort", nil)
		f.waitNoParts(t, u)
		f.waitNoRecord(t)
		f.checkContent(t, update)
		f.killed(t, []int{204, 404}, http.MethodDelete, "", nil)
		f.must(t, 404, http.MethodGet, "", nil)
		if hits, total := f.search(t, ""); len(hits) != 0 || total != "0" {
			t.Errorf("after all that there are %s files: %+v", total, hits)
		}
	})
}

// killedCompletion completes the upload of a new file in spite of a kill. MinIO may lose the parts
// when the request that assembles them is cut: the client is told, and sends them anew.
func (f *file) killedCompletion(t *testing.T, tn *tenant, part, last []byte) *answer {
	t.Helper()
	want := []int{201}
	if tn.store.Kind == devcluster.StoreMinIO {
		want = append(want, 400)
	}
	a := f.killed(t, want, http.MethodPut, "?upload=complete", last)
	if a.status == 201 {
		return a
	}
	ready := meta.FindStatusCondition(f.mustRecord(t).Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Reason != v1alpha1.ReasonPartsMissing {
		t.Errorf("%s, and the record says %+v", a.body, ready)
	}
	f.must(t, 204, http.MethodPut, "?upload=abort", nil)
	f.must(t, 201, http.MethodPut, "?upload=start", nil)
	f.must(t, 201, http.MethodPut, "?part=1", part)
	return f.must(t, 201, http.MethodPut, "?upload=complete", last)
}

// killed sends a request, kills the operator meanwhile, starts it again, and sends the request once
// more, which is answered with one of want. An answer that came before the end counts as well.
func (f *file) killed(t *testing.T, want []int, method, query string, body []byte, header ...string) *answer {
	t.Helper()
	first := make(chan *answer, 1)
	go func() {
		a, err := f.do(context.WithoutCancel(t.Context()), method, f.url("files", query), body, header...)
		if err != nil {
			a = nil
		}
		first <- a
	}()
	time.Sleep(rand.N(80 * time.Millisecond)) // chance, not secrecy
	restartOperator(t)
	state := "unanswered"
	if a := <-first; a != nil {
		state = http.StatusText(a.status)
		if a.status < 500 && !slices.Contains(want, a.status) {
			t.Errorf("%s %s: %d before the end: %s", method, query, a.status, a.body)
		}
	}
	var again *answer
	eventually(t, method+" "+query+" is answered", func() error {
		a, err := f.do(t.Context(), method, f.url("files", query), body, header...)
		if err == nil && a.status >= 500 { // such as 503 while the reconcilers take over
			return statusError(a.status)
		}
		again = a
		return err
	})
	t.Logf("%s %s: %s, then %d", method, query, state, again.status)
	if !slices.Contains(want, again.status) {
		t.Fatalf("%s %s, sent again: %d %s", method, query, again.status, again.body)
	}
	return again
}

type statusError int

// Error implements error.
func (s statusError) Error() string { return http.StatusText(int(s)) }
