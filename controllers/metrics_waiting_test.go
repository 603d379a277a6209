package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/statemetrics"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// cached is what a cache has: one FileStore, and uploads.
type cached struct {
	client.Reader
	uploads []v1alpha1.MultipartUpload
}

func (c cached) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch list := list.(type) {
	case *v1alpha1.FileStoreList:
		list.Items = []v1alpha1.FileStore{*testkit.Store("main")}
	case *v1alpha1.MultipartUploadList:
		list.Items = c.uploads
	}
	return nil
}

// waitingMetrics are those of what does not go on, written as Prometheus does.
func waitingMetrics(t *testing.T, now time.Time, uploads ...*v1alpha1.MultipartUpload) map[string]float64 {
	t.Helper()
	c := cached{}
	for _, u := range uploads {
		c.uploads = append(c.uploads, *u)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(statemetrics.New(catalog.New(c, c), clocktesting.NewFakePassiveClock(now)))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := strings.TrimSuffix(f.GetName()+"{"+strings.Join(labels, ",")+"}", "{}")
			if strings.HasPrefix(name, "iotfile_stalled_uploads") || name == "iotfile_reconcile_lag_seconds" {
				out[name] = m.GetGauge().GetValue()
			}
		}
	}
	return out
}

// TestWaitingMetrics: what waits for the reconciler is told from what waits for object storage, for
// its owner, or for nobody; and no tenant chooses a label.
func TestWaitingMetrics(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }
	upload := func(change ...func(*v1alpha1.MultipartUpload)) *v1alpha1.MultipartUpload {
		u := testkit.Upload()
		u.CreationTimestamp = ago(time.Hour)
		for _, c := range change {
			c(u)
		}
		return u
	}
	opened := func(u *v1alpha1.MultipartUpload) {
		u.Status.UploadID, u.Status.StoreName, u.Status.ExpirationTime = "id", "main", ptr.To(ago(-time.Hour))
	}
	overdue := func(u *v1alpha1.MultipartUpload) { u.Status.ExpirationTime = ptr.To(ago(3 * time.Minute)) }
	deleted := func(u *v1alpha1.MultipartUpload) {
		u.DeletionTimestamp, u.Finalizers = ptr.To(ago(2*time.Minute)), []string{v1alpha1.FinalizerAbortUpload}
	}
	ended := func(u *v1alpha1.MultipartUpload) { u.Status.CompletionTime = ptr.To(ago(time.Minute)) }
	reason := func(kind, reason string) func(*v1alpha1.MultipartUpload) {
		return func(u *v1alpha1.MultipartUpload) {
			status := map[string]metav1.ConditionStatus{v1alpha1.ConditionReady: "False", v1alpha1.ConditionStalled: "True"}[kind]
			u.Status.Conditions = append(u.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, ObservedGeneration: u.Generation})
		}
	}
	elsewhere := func(u *v1alpha1.MultipartUpload) {
		u.Spec.StoreName, u.Status.StoreName = "of-my-choice", "of-my-choice"
	}
	for name, c := range map[string]struct {
		uploads []*v1alpha1.MultipartUpload
		lag     time.Duration
		stalled map[string]float64
	}{
		"nothing":                      {},
		"open, with time left":         {uploads: []*v1alpha1.MultipartUpload{upload(opened)}},
		"never opened":                 {uploads: []*v1alpha1.MultipartUpload{upload()}, lag: time.Hour},
		"its time is over":             {uploads: []*v1alpha1.MultipartUpload{upload(opened, overdue)}, lag: 3 * time.Minute},
		"over, and ended":              {uploads: []*v1alpha1.MultipartUpload{upload(opened, overdue, ended)}},
		"deleted":                      {uploads: []*v1alpha1.MultipartUpload{upload(opened, deleted)}, lag: 2 * time.Minute},
		"deleted, another's finalizer": {uploads: []*v1alpha1.MultipartUpload{upload(opened, deleted, func(u *v1alpha1.MultipartUpload) { u.Finalizers = []string{"x.example/y"} })}},
		"the longest counts":           {uploads: []*v1alpha1.MultipartUpload{upload(opened, deleted), upload(opened, overdue), upload(opened)}, lag: 3 * time.Minute},
		"the store is down":            {uploads: []*v1alpha1.MultipartUpload{upload(reason(v1alpha1.ConditionReady, v1alpha1.ReasonStoreUnavailable))}},
		"stalled": {
			uploads: []*v1alpha1.MultipartUpload{
				upload(opened, reason(v1alpha1.ConditionStalled, v1alpha1.ReasonVersionConflict)),
				upload(opened, reason(v1alpha1.ConditionStalled, v1alpha1.ReasonVersionConflict)),
				upload(reason(v1alpha1.ConditionStalled, v1alpha1.ReasonStoreNotFound)),
				upload(elsewhere, reason(v1alpha1.ConditionStalled, v1alpha1.ReasonStoreNotFound)),
			},
			stalled: map[string]float64{
				`iotfile_stalled_uploads{reason="VersionConflict",store="main"}`: 2,
				`iotfile_stalled_uploads{reason="StoreNotFound",store=""}`:       2,
			},
		},
		"stalled for good is an end": {uploads: []*v1alpha1.MultipartUpload{upload(opened, ended, reason(v1alpha1.ConditionStalled, v1alpha1.ReasonAborted))}},
	} {
		want := map[string]float64{"iotfile_reconcile_lag_seconds": c.lag.Seconds()}
		maps.Copy(want, c.stalled)
		if got := waitingMetrics(t, now, c.uploads...); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
