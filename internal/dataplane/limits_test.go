package dataplane_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
)

func limited(change func(*v1alpha1.FileStoreLimits)) *v1alpha1.FileStoreLimits {
	limits := &v1alpha1.FileStoreLimits{MinPartSize: ptr.To(resource.MustParse("1Ki"))}
	change(limits)
	return limits
}

// wantRefusal checks status, message and whether the client is told when to come again.
func (s *system) wantRefusal(got reply, status int, message string) {
	s.t.Helper()
	s.want(got, status)
	if !strings.Contains(string(got.body), message) {
		s.t.Errorf("the answer is %s, want %q in it", got, message)
	}
	after, err := strconv.Atoi(got.header.Get("Retry-After"))
	if later := err == nil && after > 0; later != (status == http.StatusTooManyRequests) {
		s.t.Errorf("Retry-After is %q with %d", got.header.Get("Retry-After"), status)
	}
}

func TestPartsPerSecond(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	s := newSystem(t, setup{
		limits:  limited(func(l *v1alpha1.FileStoreLimits) { l.PartsPerSecondPerNamespace = ptr.To(int32(2)) }),
		options: func(o *dataplane.Options) { o.Clock = clock },
	})
	s.want(s.put(s.path("a.bin")+"?upload=start", nil), 201)
	body := randomBytes(2048)
	for n := 1; n <= 2; n++ {
		s.want(s.put(fmt.Sprintf("%s?part=%d", s.path("a.bin"), n), body), 201)
	}
	const message = "the namespace may send 2 parts or files per second"
	s.wantRefusal(s.put(s.path("a.bin")+"?part=3", body), 429, message)
	s.wantRefusal(s.put(s.path("whole.bin"), body), 429, message)
	clock.Step(500 * time.Millisecond)
	s.want(s.put(s.path("a.bin")+"?part=3", body), 201)
	s.wantRefusal(s.put(s.path("a.bin")+"?upload=complete", body), 429, message)
	s.want(s.put(s.path("a.bin")+"?upload=complete", nil), 201)
}

func TestBytesPerSecond(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	s := newSystem(t, setup{
		limits:  limited(func(l *v1alpha1.FileStoreLimits) { l.BytesPerSecondPerNamespace = ptr.To(resource.MustParse("4Ki")) }),
		options: func(o *dataplane.Options) { o.Clock = clock },
	})
	s.want(s.put(s.path("a.bin")+"?upload=start", nil), 201)
	// Larger than a second's worth: it is taken, and those after it wait for what it owes.
	s.want(s.put(s.path("a.bin")+"?part=1", randomBytes(10<<10)), 201)
	got := s.put(s.path("a.bin")+"?part=2", randomBytes(2<<10))
	s.wantRefusal(got, 429, "the namespace may send 4096 bytes per second")
	if after := got.header.Get("Retry-After"); after != "2" { // 6 KiB are owed and 2 wanted, at 4 a second
		t.Errorf("Retry-After is %s", after)
	}
	clock.Step(1900 * time.Millisecond)
	s.want(s.put(s.path("a.bin")+"?part=2", randomBytes(2<<10)), 429)
	clock.Step(100 * time.Millisecond)
	s.want(s.put(s.path("a.bin")+"?part=2", randomBytes(2<<10)), 201)
}

func TestIncompleteBytes(t *testing.T) {
	s := newSystem(t, setup{
		limits: limited(func(l *v1alpha1.FileStoreLimits) {
			l.MaxIncompleteBytesPerNamespace = ptr.To(resource.MustParse("10Ki"))
		}),
		options: func(o *dataplane.Options) {
			o.ProgressDelay, o.ProgressInterval = time.Millisecond, 10*time.Millisecond
		},
	})
	start := func(file, size string) reply { return s.put(s.path(file)+"?upload=start", nil, "X-File-Size", size) }
	for _, bad := range []string{"0", "-1", "1.5", "many", "54975581388801"} {
		s.wantRefusal(start("bad.bin", bad), 400, "X-File-Size must be the size of the whole file in bytes, 1 to 54975581388800")
	}
	s.wantRefusal(start("large.bin", "10241"), 413, "the upload has 10241 bytes, and the open uploads of a namespace may have 10240 together")
	s.want(start("a.bin", "6144"), 201)
	s.wantRefusal(start("b.bin", "4097"), 429, "the upload has 4097 bytes, other open uploads of the namespace have 6144, and together they may have 10240")
	s.wantRefusal(s.put(s.path("a.bin")+"?part=1", randomBytes(6145)), 413, "the part has 6145 bytes, and the upload was started for a file of 6144")

	// One that has declared nothing counts with what has arrived.
	s.want(s.put(s.path("b.bin")+"?upload=start", nil), 201)
	s.want(s.put(s.path("b.bin")+"?part=1", randomBytes(3072)), 201)
	s.eventually("the progress known", func() error {
		if got := start("c.bin", "1025"); got.status != 429 {
			_ = s.put(s.path("c.bin")+"?upload=abort", nil)
			return fmt.Errorf("start: %v", got)
		}
		return nil
	})
	s.wantRefusal(s.put(s.path("b.bin")+"?part=2", randomBytes(1025)), 429, "the upload has 4097 bytes, other open uploads of the namespace have")
	s.wantRefusal(s.put(s.path("b.bin")+"?part=2", randomBytes(8192)), 413, "the upload has 11264 bytes, and the open uploads")
	s.eventually("the attempts forgotten", func() error {
		if got := s.put(s.path("b.bin")+"?part=2", randomBytes(1024)); got.status != 201 {
			return fmt.Errorf("part: %v", got)
		}
		return nil
	})
	// What was reserved is there when it is needed.
	s.want(s.put(s.path("a.bin")+"?part=1", randomBytes(6144)), 201)
	s.want(s.put(s.path("a.bin")+"?upload=complete", nil), 201)
	s.eventually("the room free again", func() error {
		if got := start("c.bin", "6144"); got.status != 201 {
			return fmt.Errorf("start: %v", got)
		}
		return nil
	})
}

// TestSizeAsDeclared completes only what is as large as was said, and loses nothing of what is not.
func TestSizeAsDeclared(t *testing.T) {
	s := newSystem(t, setup{options: func(o *dataplane.Options) {
		o.ProgressDelay, o.ProgressInterval = time.Millisecond, 10*time.Millisecond
	}})
	file := s.path("a.bin")
	s.want(s.put(file+"?upload=start", nil, "X-File-Size", "5000"), 201)
	s.want(s.put(file+"?part=1", randomBytes(2048)), 201)
	s.eventually("the percentage told", func() error {
		records := s.records()
		if p := records[0].Status.Progress; p == nil || p.Percent == nil || *p.Percent != 40 {
			return fmt.Errorf("progress is %+v", p)
		}
		return nil
	})
	const kept = "and the upload was started for a file of 5000: the parts that arrived are kept"
	s.wantRefusal(s.put(file+"?upload=complete", nil), 400, "the parts have 2048 bytes together, "+kept)
	s.wantRefusal(s.put(file+"?upload=complete", randomBytes(2953)), 400, "the parts have 5001 bytes together, "+kept)
	if u := s.records()[0]; u.Spec.FinalPartNumber != nil || u.Spec.DesiredState != v1alpha1.DesiredStateUploading {
		t.Errorf("a refused completion has left %+v", u.Spec)
	}
	s.want(s.put(file+"?upload=complete", randomBytes(2952)), 201)
	if u := s.records()[0]; u.Status.Size == nil || *u.Status.Size != 5000 || u.Status.Progress.Percent == nil || *u.Status.Progress.Percent != 100 {
		t.Errorf("the status of the finished file is %+v", u.Status)
	}

	// By kubectl: the reconciler finds it, too.
	s.want(s.put(s.path("b.bin")+"?upload=start", nil, "X-File-Size", "5000"), 201)
	s.want(s.put(s.path("b.bin")+"?part=1", randomBytes(2048)), 201)
	for _, u := range s.records() {
		if u.Spec.Path == "b.bin" {
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"desiredState":"Completed"}}`))
			must(t, s.kube.Patch(t.Context(), &u, patch))
		}
	}
	s.eventually("stalled", func() error {
		for _, u := range s.records() {
			for _, c := range u.Status.Conditions {
				if u.Spec.Path == "b.bin" && c.Type == v1alpha1.ConditionStalled && c.Reason == v1alpha1.ReasonSizeMismatch {
					return nil
				}
			}
		}
		return fmt.Errorf("records are %+v", s.records())
	})
	s.wantRefusal(s.put(s.path("b.bin")+"?upload=complete", nil), 400, "the parts do not have the size together that was declared with X-File-Size")
	s.want(s.put(s.path("b.bin")+"?upload=abort", nil), 204)
}

// TestQuota has the API server's own quota refuse an upload. Nobody counts here, so the test does.
func TestQuota(t *testing.T) {
	s := newSystem(t, setup{})
	const count = "count/multipartuploads.iotfile.dev"
	hard := corev1.ResourceList{count: resource.MustParse("1")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "uploads"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}
	must(t, s.kube.Create(t.Context(), quota))
	quota.Status = corev1.ResourceQuotaStatus{Hard: hard, Used: corev1.ResourceList{count: resource.MustParse("0")}}
	must(t, s.kube.Status().Update(t.Context(), quota))
	s.eventually("the quota known", func() error {
		got := s.put(s.path("a.bin")+"?upload=start", nil, "Idempotency-Key", "1")
		if got.status != 201 {
			return fmt.Errorf("start: %v", got)
		}
		used := &corev1.ResourceQuota{}
		must(t, s.kube.Get(context.Background(), client.ObjectKeyFromObject(quota), used))
		if n := used.Status.Used[count]; n.Value() != 1 {
			s.want(s.put(s.path("a.bin")+"?upload=abort", nil, "Idempotency-Key", "1"), 204)
			return fmt.Errorf("used: %v", n)
		}
		return nil
	})
	s.wantRefusal(s.put(s.path("b.bin")+"?upload=start", nil), 429,
		"the namespace has as many uploads as its ResourceQuota allows (uploads, requested: count/multipartuploads.iotfile.dev=1, used: count/multipartuploads.iotfile.dev=1, limited: count/multipartuploads.iotfile.dev=1)")
}
