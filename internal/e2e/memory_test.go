package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// flat is how much a replica's resident memory may grow, in MiB, by what tenants write into their
// records.
const flat = 64

// TestMemoryByMetadata has 400 records carry as much metadata as the API server takes, which the
// policies refuse tenants and let cluster-admins write: what a replica holds of them stays flat
// while they come, and when it starts with them.
func TestMemoryByMetadata(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("memory is read from /proc")
	}
	tn := system.tenants[0]
	tn.waitReady(t)
	useOperator(t, func(o *devcluster.OperatorOptions) { o.Name = "before" })
	before := restingMiB(t)
	for _, c := range []struct {
		name  string
		bytes int
	}{{"AtTheCapOfThePolicy", 15 << 10}, {"WithoutAPolicy", 250 << 10}} {
		t.Run(c.name, func(t *testing.T) {
			manyRecords(t, tn, 400, c.bytes)
			after := restingMiB(t)
			peak := memoryKiB(t, "VmHWM:") >> 10
			useOperator(t, func(o *devcluster.OperatorOptions) { o.Name = "after-" + strings.ToLower(c.name) })
			started, startPeak := restingMiB(t), memoryKiB(t, "VmHWM:")>>10
			t.Logf("resident memory in MiB: %d without records; with 400 of %d KiB %d, at most %d; after a start with them %d, at most %d",
				before, c.bytes>>10, after, peak, started, startPeak)
			if oldestKubernetes { // it sends all records as one list, which is read as a whole
				started = after
			}
			if after > before+flat || started > before+flat {
				t.Errorf("want at most %d more", flat)
			}
		})
	}
}

// manyRecords creates records whose annotations have that many bytes, which wait for a store that
// does not exist, and waits until the operator has looked at all of them.
func manyRecords(t *testing.T, tn *tenant, count, bytes int) {
	t.Helper()
	text := strings.Repeat("x", bytes)
	names := make([]string, count)
	var group errgroup.Group
	group.SetLimit(4)
	for i := range count {
		u := &v1alpha1.MultipartUpload{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: tn.namespace, Name: fmt.Sprintf("large-%d-%d", bytes, i), Annotations: map[string]string{"example.com/large": text},
			},
			Spec: v1alpha1.MultipartUploadSpec{StoreName: "none", EntityID: tn.newFile("").entity, Path: "large.bin"},
		}
		names[i] = u.Name
		group.Go(func() error { return system.kube.Create(t.Context(), u) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, name := range names {
			u := &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{Namespace: tn.namespace, Name: name}}
			_ = system.kube.Delete(context.WithoutCancel(t.Context()), u)
		}
	})
	for _, name := range names {
		eventually(t, name+" is judged", func() error {
			u := &v1alpha1.MultipartUpload{}
			if err := system.kube.Get(t.Context(), client.ObjectKey{Namespace: tn.namespace, Name: name}, u); err != nil {
				return err
			}
			if len(u.Status.Conditions) == 0 {
				return fmt.Errorf("status %+v", u.Status)
			}
			return nil
		})
	}
}

// restingMiB is the operator's resident memory once it has not fallen for a while: the runtime
// gives memory back slowly.
func restingMiB(t *testing.T) int {
	t.Helper()
	const rests = 15
	least, since := memoryKiB(t, "VmRSS:"), 0
	for range 90 {
		time.Sleep(time.Second)
		if now := memoryKiB(t, "VmRSS:"); now < least-1<<10 {
			least, since = now, 0
		} else if since++; since == rests {
			break
		}
	}
	return least >> 10
}
