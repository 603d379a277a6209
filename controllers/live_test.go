package controllers_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// More records than one page holds are all read, each once.
func TestLiveRecordsAreReadInPages(t *testing.T) {
	r := newRig(t)
	var group errgroup.Group
	group.SetLimit(16)
	for i := range catalog.LivePage + 1 {
		u := testkit.Upload(testkit.Named(r.ns, fmt.Sprintf("up-%d", i)), testkit.ForFile(testkit.Entity, fmt.Sprint(i)))
		u.UID, u.Generation, u.CreationTimestamp = "", 0, metav1.Time{}
		group.Go(func() error { return r.direct.Create(r.ctx, u) })
	}
	r.must(group.Wait())
	t.Cleanup(func() {
		r.must(r.direct.DeleteAllOf(context.Background(), &v1alpha1.MultipartUpload{}, client.InNamespace(r.ns)))
	})
	seen := map[string]int{}
	r.must(catalog.New(r.direct, r.direct).EachLiveUpload(r.ctx, func(u *v1alpha1.MultipartUpload) {
		if u.Namespace == r.ns {
			seen[u.Name]++
		}
	}))
	for name, times := range seen {
		if times != 1 {
			t.Errorf("%s is read %d times", name, times)
		}
	}
	if len(seen) != catalog.LivePage+1 {
		t.Errorf("%d records are read", len(seen))
	}
}
