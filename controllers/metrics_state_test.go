package controllers_test

import (
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/statemetrics"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// valuesOf returns the values of the metrics with the label store=store, by name.
func valuesOf(t *testing.T, from prometheus.Gatherer, store string) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 1 && m.GetLabel()[0].GetName() == "store" && m.GetLabel()[0].GetValue() == store {
				out[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return out
}

// The metrics of what is open over the life of three uploads.
func TestStateMetrics(t *testing.T) {
	r := newRig(t)
	registry := prometheus.NewRegistry()
	registry.MustRegister(statemetrics.New(r.uploads.Catalog, r.clock))
	expect := func(when string, open, bytes, oldest float64) {
		t.Helper()
		want := map[string]float64{"iotfile_store_ready": 1, "iotfile_store_protected": 1, "iotfile_open_uploads": open, "iotfile_incomplete_bytes": bytes, "iotfile_oldest_open_upload_age_seconds": oldest, "iotfile_orphan_uploads": 0}
		if got := valuesOf(t, registry, r.store); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	expect("with nothing open", 0, 0, 0)
	for _, name := range []string{"a", "b", "c"} {
		u := r.open(name, testkit.ForFile(testkit.Entity, name))
		changed := u.DeepCopy()
		changed.Status.Progress = &v1alpha1.UploadProgress{Parts: ptr.To[int32](1), Bytes: ptr.To[int64](100), DisplayBytes: "100 B", LastPartTime: ptr.To(metav1.NewTime(r.clock.Now()))}
		r.must(r.direct.Status().Patch(r.ctx, changed, client.MergeFrom(u)))
		r.part(u, 1, "ab")
		r.clock.Step(time.Minute)
	}
	expect("with three open", 3, 300, 180)
	r.edit("a", aborted)
	r.drive("a")
	expect("with the oldest aborted", 2, 200, 120+upload.FenceDelay.Seconds())
	r.edit("b", completed)
	r.drive("b")
	expect("with the next completed", 1, 100, 60+upload.FenceDelay.Seconds())
	r.delete("c")
	r.drive("c")
	expect("with the last deleted", 0, 0, 0)
	r.removeByForce(r.ctx, r.fileStore())
	if got := valuesOf(t, registry, r.store); len(got) != 0 {
		t.Errorf("of a store that is gone there is %v", got)
	}
}

func TestReapedMetric(t *testing.T) {
	r := newRig(t)
	reaped := func() float64 { return valuesOf(t, metrics.Registry, r.store)["iotfile_backend_reaped_total"] }
	r.open("up")
	r.lose("up")
	r.drive("up")
	if n := reaped(); n != 1 {
		t.Errorf("it counts %v, not 1", n)
	}
}
