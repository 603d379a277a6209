package upload_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestStates(t *testing.T) {
	for _, c := range []struct {
		name                    string
		upload                  *v1alpha1.MultipartUpload
		open, ended, takesParts bool
	}{
		{"New", testkit.Upload(), true, false, false},
		{"Opened", testkit.Upload(testkit.Opened("id")), true, false, true},
		{"OpenedWithoutDesiredState", testkit.Upload(testkit.Opened("id"), testkit.Wanting("")), true, false, true},
		{"Completing", testkit.Upload(testkit.Opened("id"), testkit.Wanting(v1alpha1.DesiredStateCompleted)), true, false, false},
		{"Aborting", testkit.Upload(testkit.Opened("id"), testkit.Wanting(v1alpha1.DesiredStateAborted)), true, false, false},
		{"DeletedWhileOpen", testkit.Upload(testkit.Opened("id"), testkit.Deleted(testkit.Epoch)), true, false, false},
		{"DeletedBeforeItWasOpened", testkit.Upload(testkit.Deleted(testkit.Epoch)), false, false, false},
		{"Ended", testkit.Upload(testkit.Opened("id"), testkit.Ended(testkit.Epoch)), false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if upload.Open(c.upload) != c.open || upload.Ended(c.upload) != c.ended || upload.TakesParts(c.upload) != c.takesParts {
				t.Errorf("Open %t, Ended %t, TakesParts %t", upload.Open(c.upload), upload.Ended(c.upload), upload.TakesParts(c.upload))
			}
		})
	}
}

func TestHolds(t *testing.T) {
	for _, c := range []struct {
		name   string
		upload *v1alpha1.MultipartUpload
		want   bool
	}{
		{"New", testkit.Upload(), true},
		{"Opened", testkit.Upload(testkit.Opened("id")), true},
		{"OpenedAndStalled", testkit.Upload(testkit.Opened("id"), testkit.StalledBy(v1alpha1.ReasonVersionConflict)), true},
		{"InTheQueue", testkit.Upload(testkit.StalledBy(v1alpha1.ReasonFileBusy)), true},
		{"InTheOtherQueue", testkit.Upload(testkit.StalledBy(v1alpha1.ReasonTooManyOpenUploads)), true},
		{"OfAnotherVersion", testkit.Upload(testkit.StalledBy(v1alpha1.ReasonVersionConflict)), false},
		{"WithoutStore", testkit.Upload(testkit.StalledBy(v1alpha1.ReasonStoreNotFound)), false},
		{"Ended", testkit.Upload(testkit.Opened("id"), testkit.Ended(testkit.Epoch)), false},
		{"DeletedBeforeItWasOpened", testkit.Upload(testkit.Deleted(testkit.Epoch)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := upload.Holds(c.upload); got != c.want {
				t.Errorf("Holds is %t", got)
			}
		})
	}
}

func TestStalledSpeaksOfTheCurrentSpec(t *testing.T) {
	u := testkit.Upload(testkit.StalledBy(v1alpha1.ReasonPartsInvalid))
	if c := upload.Stalled(u); c == nil || c.Reason != v1alpha1.ReasonPartsInvalid {
		t.Errorf("Stalled is %v", c)
	}
	u.Generation++
	if c := upload.Stalled(u); c != nil {
		t.Errorf("Stalled speaks of an older spec: %v", c)
	}
	u.Generation--
	u.Status.Conditions[0].Status = metav1.ConditionFalse
	if c := upload.Stalled(u); c != nil {
		t.Errorf("Stalled is False: %v", c)
	}
}

func TestGoesIsAStrictOrder(t *testing.T) {
	later := func(u *v1alpha1.MultipartUpload) {
		u.CreationTimestamp = metav1.NewTime(testkit.Epoch.Add(time.Second))
	}
	ordered := []*v1alpha1.MultipartUpload{
		testkit.Upload(testkit.Named("n", "b"), testkit.Opened("id")),
		testkit.Upload(testkit.Named("n", "a"), testkit.Opened("id"), later),
		testkit.Upload(testkit.Named("n", "c")),
		testkit.Upload(testkit.Named("n", "d")),
		testkit.Upload(testkit.Named("n", "0"), later),
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := upload.Goes(a, b); got != (i < j) {
				t.Errorf("Goes(%d, %d) = %t", i, j, got)
			}
		}
	}
}
