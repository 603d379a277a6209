package upload_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestExpirationTimeRule4(t *testing.T) {
	recorded := func(u *v1alpha1.MultipartUpload) {
		u.Status.ExpirationTime = ptr.To(metav1.NewTime(testkit.Epoch.Add(7 * time.Hour)))
	}
	store := testkit.Store("store", testkit.UploadTTL(3*time.Hour))
	for _, c := range []struct {
		name   string
		upload *v1alpha1.MultipartUpload
		store  *v1alpha1.FileStore
		want   time.Duration // after the start; 0 for never
	}{
		{"NotStarted", testkit.Upload(), store, 0},
		{"TwoDaysByDefault", testkit.Upload(testkit.Opened("id")), testkit.Store("store"), 48 * time.Hour},
		{"TheStores", testkit.Upload(testkit.Opened("id")), store, 3 * time.Hour},
		{"ItsOwn", testkit.Upload(testkit.Opened("id"), testkit.TTL(time.Hour)), store, time.Hour},
		{"TheStoresEvenIfRecordedOtherwise", testkit.Upload(testkit.Opened("id"), recorded), store, 3 * time.Hour},
		{"ItsOwnIsTooLong", testkit.Upload(testkit.Opened("id"), testkit.TTL(8760*time.Hour)), testkit.Store("store", testkit.MaxUploadTTL(72*time.Hour)), 72 * time.Hour},
		{"ItsOwnIsShortEnough", testkit.Upload(testkit.Opened("id"), testkit.TTL(time.Hour)), testkit.Store("store", testkit.MaxUploadTTL(72*time.Hour)), time.Hour},
		{"TheStoresIsTooLong", testkit.Upload(testkit.Opened("id")), testkit.Store("store", testkit.UploadTTL(3*time.Hour), testkit.MaxUploadTTL(time.Hour)), time.Hour},
		{"TheDefaultIsTooLong", testkit.Upload(testkit.Opened("id")), testkit.Store("store", testkit.MaxUploadTTL(time.Hour)), time.Hour},
		{"StoreGone", testkit.Upload(testkit.Opened("id"), recorded), nil, 48 * time.Hour},
		{"FromItsCreationIfNothingSaysWhenItWasStarted", testkit.Upload(testkit.Opened("id"), func(u *v1alpha1.MultipartUpload) { u.Status.StartTime = nil }), store, 3 * time.Hour},
		{"StoreGoneButItsOwn", testkit.Upload(testkit.Opened("id"), recorded, testkit.TTL(time.Hour)), nil, time.Hour},
		{"StoreGoneAndNothingRecorded", testkit.Upload(testkit.Opened("id")), nil, 48 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := upload.ExpirationTime(c.upload, c.store)
			if c.want == 0 {
				if !got.IsZero() || upload.Expired(c.upload, c.store, testkit.Epoch.AddDate(10, 0, 0)) {
					t.Errorf("expires at %s", got)
				}
				return
			}
			at := testkit.Epoch.Add(c.want)
			if !got.Equal(at) {
				t.Errorf("expires %s after the start, want %s", got.Sub(testkit.Epoch), c.want)
			}
			if upload.Expired(c.upload, c.store, at.Add(-1)) || !upload.Expired(c.upload, c.store, at) {
				t.Error("Expired does not turn at that moment")
			}
		})
	}
}

func TestCollectionTime(t *testing.T) {
	end := testkit.Epoch.Add(time.Hour)
	for _, c := range []struct {
		name   string
		upload *v1alpha1.MultipartUpload
		store  *v1alpha1.FileStore
		want   time.Duration // after the end; negative for never
	}{
		{"Default", testkit.Upload(testkit.OverREST(), testkit.Ended(end)), testkit.Store("store"), time.Hour},
		{"TheStores", testkit.Upload(testkit.OverREST(), testkit.Ended(end)), testkit.Store("store", testkit.FinishedTTL(time.Minute)), time.Minute},
		{"AtOnce", testkit.Upload(testkit.OverREST(), testkit.Ended(end)), testkit.Store("store", testkit.FinishedTTL(0)), 0},
		{"StoreGone", testkit.Upload(testkit.OverREST(), testkit.Ended(end)), nil, time.Hour},
		{"ByManifest", testkit.Upload(testkit.Ended(end)), testkit.Store("store"), -1},
		{"NotEnded", testkit.Upload(testkit.OverREST(), testkit.Opened("id")), testkit.Store("store"), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, ever := upload.CollectionTime(c.upload, c.store)
			if ever != (c.want >= 0) || ever && !at.Equal(end.Add(c.want)) {
				t.Errorf("collected: %t, at %s", ever, at)
			}
		})
	}
}
