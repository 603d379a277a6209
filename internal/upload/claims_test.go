package upload_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

var (
	gold   = upload.Tenant{Namespace: "team-a", Store: "gold"}
	silver = upload.Tenant{Namespace: "team-a", Store: "silver"}
	other  = upload.Tenant{Namespace: "team-b", Store: "gold"}
)

// Of many at once as many pass as there are places, although the cache shows none of them.
func TestClaimsAtOnce(t *testing.T) {
	var none []*v1alpha1.MultipartUpload
	limits := upload.Limits{MaxOpenUploads: 5, MaxIncompleteBytes: 40}
	for _, c := range []struct {
		name   string
		judge  func(upload.Held) error
		places int64
	}{
		{"Uploads", func(h upload.Held) error {
			if h.Full(limits) {
				return errors.New("full")
			}
			return nil
		}, 5},
		{"Bytes", func(h upload.Held) error { return upload.AdmitBytes(10, h.Bytes, limits) }, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			var claims upload.Claims
			var passed atomic.Int64
			var all sync.WaitGroup
			for i := range 60 {
				all.Go(func() {
					err := claims.Admit(gold, fmt.Sprint(i), 10, testkit.Epoch, func(others upload.Claimed) error { return c.judge(others.Beside(slices.Values(none), "")) })
					if err == nil {
						passed.Add(1)
					}
				})
			}
			all.Wait()
			if n := passed.Load(); n != c.places {
				t.Errorf("%d have passed, want %d", n, c.places)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	claims := upload.Claims{TTL: time.Minute}
	admit := func(of upload.Tenant, name string, bytes int64, now time.Time) {
		t.Helper()
		if err := claims.Admit(of, name, bytes, now, func(upload.Claimed) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	held := func(of upload.Tenant, now time.Time, found ...*v1alpha1.MultipartUpload) upload.Held {
		return claims.Others(of, "self", now).Beside(slices.Values(found), "self")
	}
	want := func(got, want upload.Held) {
		t.Helper()
		if got != want {
			t.Errorf("held are %+v, want %+v", got, want)
		}
	}
	now := testkit.Epoch
	admit(gold, "self", 1, now)
	admit(gold, "a", 10, now)
	admit(gold, "a", 20, now) // renewed
	admit(silver, "b", 10, now)
	admit(other, "a", 10, now)
	want(held(gold, now), upload.Held{Open: 1, Bytes: 20})
	size := int64(7)
	shown := testkit.Upload(testkit.Named("team-a", "a"), func(u *v1alpha1.MultipartUpload) { u.Spec.Size = &size })
	want(held(gold, now, shown), upload.Held{Open: 1, Bytes: 7}) // once it is shown it counts with that alone
	if err := claims.Admit(gold, "c", 1, now, func(upload.Claimed) error { return errors.New("no") }); err == nil {
		t.Error("the refusal is lost")
	}
	want(held(gold, now), upload.Held{Open: 1, Bytes: 20})
	claims.Release("team-a", "a")
	want(held(gold, now), upload.Held{})
	want(held(silver, now), upload.Held{Open: 1, Bytes: 10})
	want(held(other, now), upload.Held{Open: 1, Bytes: 10})
	want(held(other, now.Add(61*time.Second)), upload.Held{})
}
