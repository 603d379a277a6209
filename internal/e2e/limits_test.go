package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// limited has the store of the tenant limit what a namespace can do.
func (own *ownTenant) limited(t *testing.T, set func(*v1alpha1.FileStoreLimits)) {
	t.Helper()
	fs := &v1alpha1.FileStore{}
	if err := system.kube.Get(t.Context(), client.ObjectKey{Name: own.name}, fs); err != nil {
		t.Fatal(err)
	}
	changed := fs.DeepCopy()
	set(changed.Spec.Limits)
	if err := system.kube.Patch(t.Context(), changed, client.MergeFrom(fs)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the operator knows the limits", func() error {
		now := &v1alpha1.FileStore{}
		if err := system.kube.Get(t.Context(), client.ObjectKey{Name: own.name}, now); err != nil {
			return err
		}
		if ptr.Deref(now.Status.ObservedGeneration, 0) < changed.Generation {
			return fmt.Errorf("it has seen generation %v", now.Status.ObservedGeneration)
		}
		return nil
	})
}

// held is how many uploads of the tenant are open in the bucket, and how many bytes their parts
// have.
func (own *ownTenant) held(t *testing.T) (open int, bytes int64) {
	t.Helper()
	listed, err := own.s3.ListMultipartUploads(t.Context(), own.name, own.namespace+"/", "", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range listed.Uploads {
		parts, err := own.s3.ListObjectParts(t.Context(), own.name, u.Key, u.UploadID, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts.ObjectParts {
			bytes += p.Size
		}
	}
	return len(listed.Uploads), bytes
}

// volley sends n requests at once, and counts the answers by their status.
func volley(t *testing.T, n int, send func(i int) (*answer, error)) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses := map[int]int{}
	for i := range n {
		all.Go(func() {
			got, err := send(i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			statuses[got.status]++
		})
	}
	all.Wait()
	return statuses
}

// TestTenantsAttackLimits has a tenant try to hold more than its namespace may, through three
// replicas.
func TestTenantsAttackLimits(t *testing.T) {
	fl := newFleet(t)
	tn := system.tenants[0]
	for _, candidate := range system.tenants {
		if candidate.namespace == "default" {
			tn = candidate // whose store lists uploads by prefix
		}
	}
	tn.waitReady(t)
	t.Run("StartsAtOnce", func(t *testing.T) { fl.attackByStarts(t, newOwnTenant(t, tn)) })
	t.Run("ReservationsAtOnce", func(t *testing.T) { fl.attackByReservations(t, newOwnTenant(t, tn)) })
	t.Run("SmallDeclaredSize", func(t *testing.T) { fl.attackByDeclaredSize(t, newOwnTenant(t, tn)) })
	t.Run("LongTTL", func(t *testing.T) { attackByTTL(t, newAttacker(t, tn)) })
}

// attackByStarts: 60 starts at once, where 5 uploads may be open.
func (fl *fleet) attackByStarts(t *testing.T, own *ownTenant) {
	own.limited(t, func(l *v1alpha1.FileStoreLimits) { l.MaxOpenUploadsPerNamespace = ptr.To[int32](5) })
	statuses := volley(t, 60, func(i int) (*answer, error) {
		f := own.newFile("start.bin")
		return f.do(t.Context(), put, fl.through(i%3, f, "files", "?upload=start"), nil)
	})
	open, _ := own.held(t)
	t.Logf("60 starts at once through three replicas, 5 places: %v, %d are open", statuses, open)
	if statuses[201] != 5 || statuses[429] != 55 || open != 5 {
		t.Error("want 5 times 201, 55 times 429, and 5 that are open")
	}
}

// attackByReservations: 60 starts at once of 5 MiB, where 20 MiB may be held.
func (fl *fleet) attackByReservations(t *testing.T, own *ownTenant) {
	own.limited(t, func(l *v1alpha1.FileStoreLimits) {
		l.MaxIncompleteBytesPerNamespace = ptr.To(resource.MustParse("20Mi"))
	})
	statuses := volley(t, 60, func(i int) (*answer, error) {
		f := own.newFile("reserve.bin")
		return f.do(t.Context(), put, fl.through(i%3, f, "files", "?upload=start"), nil, "X-File-Size", fmt.Sprint(5*mib))
	})
	open, _ := own.held(t)
	t.Logf("60 reservations of 5 MiB at once through three replicas, 20 MiB: %v, %d are open", statuses, open)
	if statuses[201] != 4 || statuses[429] != 56 || open != 4 {
		t.Error("want 4 times 201, 56 times 429, and 4 that are open")
	}
}

// attackByDeclaredSize: 24 parts of 5 MiB of a file that was declared with 5 MiB, where 20 MiB may
// be held.
func (fl *fleet) attackByDeclaredSize(t *testing.T, own *ownTenant) {
	own.limited(t, func(l *v1alpha1.FileStoreLimits) {
		l.MaxIncompleteBytesPerNamespace = ptr.To(resource.MustParse("20Mi"))
	})
	f, body := own.newFile("small.bin"), random(5*mib)
	part := func(replica, n int) (*answer, error) {
		return f.do(t.Context(), put, fl.through(replica, f, "files", fmt.Sprintf("?part=%d", n)), body)
	}
	fl.must(t, 0, f, 201, put, "?upload=start", nil, "X-File-Size", fmt.Sprint(5*mib))
	statuses := volley(t, 24, func(i int) (*answer, error) { return part(0, i+1) })
	_, held := own.held(t)
	t.Logf("24 parts at once of a file of 5 MiB through one replica: %v, %d MiB are held", statuses, held/mib)
	if held != 5*mib || statuses[201] != 1 || statuses[413] != 23 {
		t.Error("want 201 once, 23 times 413, and 5 MiB that are held")
	}
	for replica := range fl.replicas { // later, by any
		if got, err := part(replica, 30); err != nil || got.status != 413 {
			t.Errorf("one more part through replica %d: %+v %v", replica, got, err)
		}
	}
	if _, held := own.held(t); held != 5*mib {
		t.Errorf("%d MiB are held in the end", held/mib)
	}

	g := own.newFile("spread.bin")
	fl.must(t, 0, g, 201, put, "?upload=start", nil, "X-File-Size", fmt.Sprint(5*mib))
	statuses = volley(t, 24, func(i int) (*answer, error) {
		return g.do(t.Context(), put, fl.through(i%3, g, "files", fmt.Sprintf("?part=%d", i+1)), body)
	})
	_, held = own.held(t)
	t.Logf("the same at once through three replicas: %v, %d MiB are held", statuses, held/mib-5)
	if held > (1+3)*5*mib {
		t.Error("want three times the declared size at most")
	}
	// It can be ended as ever: the right part in its place.
	fl.must(t, 1, f, 400, put, "?upload=complete", body)
	fl.must(t, 1, f, 204, put, "?upload=abort", nil)
}

// attackByTTL: a year for an upload where the store allows three days: by manifest, and by a patch
// of what is open.
func attackByTTL(t *testing.T, a *attacker) {
	a.limited(t, func(l *v1alpha1.FileStoreLimits) { l.MaxUploadTTL = &metav1.Duration{Duration: 72 * time.Hour} })
	f := a.newFile("long.bin")
	f.must(t, 201, http.MethodPut, "?upload=start", nil)
	name := ""
	for _, line := range strings.Split(a.kubectl(t, "", "get", "mpu", "-o", "name"), "\n") {
		if line != "" {
			name = strings.TrimPrefix(line, "multipartupload.iotfile.dev/")
		}
	}
	if out, err := a.try(t, "", "patch", "mpu", name, "--type=merge", "-p", `{"spec":{"ttl":"8760h"}}`); err != nil {
		t.Fatalf("kubectl patch: %v %s", err, out)
	}
	a.kubectl(t, "", "wait", "--for=condition=TTLLimited", "mpu/"+name, "--timeout=120s")
	u := a.get(t, name)
	if got := u.Status.ExpirationTime.Sub(u.Status.StartTime.Time); got != 72*time.Hour {
		t.Errorf("it expires after %s", got)
	}
	t.Logf("ttl 8760h where 72h are allowed: it expires after %s", u.Status.ExpirationTime.Sub(u.Status.StartTime.Time))
	f.must(t, 204, http.MethodPut, "?upload=abort", nil)
}
