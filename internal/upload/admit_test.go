package upload_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestAdmitSizeRule2(t *testing.T) {
	limits := upload.Limits{MinPartSize: 5 << 20, MaxPartSize: 16 << 20}
	for _, c := range []struct {
		name  string
		size  int64
		final bool
		want  upload.RefusalKind
	}{
		{"Smallest", 5_242_880, false, 0},
		{"OneByteLess", 5_242_879, false, upload.RefusalTooSmall},
		{"Empty", 0, false, upload.RefusalTooSmall},
		{"FinalMayBeSmall", 1, true, 0},
		{"Largest", 16 << 20, false, 0},
		{"OneByteMore", 16<<20 + 1, false, upload.RefusalTooLarge},
		{"FinalOneByteMore", 16<<20 + 1, true, upload.RefusalTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) { expectRefusal(t, upload.AdmitSize(c.size, c.final, limits), c.want) })
	}
}

func TestAdmitPart(t *testing.T) {
	expires := testkit.Epoch.Add(time.Hour)
	store := testkit.Store("store", testkit.UploadTTL(time.Hour))
	// What the status says of the time neither shortens nor prolongs it.
	expiring := func(u *v1alpha1.MultipartUpload) { u.Status.ExpirationTime = ptr.To(metav1.NewTime(testkit.Epoch)) }
	never := func(u *v1alpha1.MultipartUpload) {
		u.Status.ExpirationTime = ptr.To(metav1.NewTime(expires.AddDate(1, 0, 0)))
	}
	open := func(options ...testkit.UploadOption) *v1alpha1.MultipartUpload {
		return testkit.Upload(append([]testkit.UploadOption{testkit.Opened("id"), expiring}, options...)...)
	}
	for _, c := range []struct {
		name    string
		upload  *v1alpha1.MultipartUpload
		number  int32
		ifMatch *int64
		at      time.Time
		want    upload.RefusalKind
	}{
		{name: "Rule1AnyNumber", upload: open(), number: 1000},
		{name: "Rule1AgainReplaces", upload: open(), number: 1},
		{name: "NoUpload", upload: nil, number: 1, want: upload.RefusalNotOpen},
		{name: "NotYetOpened", upload: testkit.Upload(testkit.Finalizer()), number: 1, want: upload.RefusalNotOpen},
		{name: "Completing", upload: open(testkit.Wanting(v1alpha1.DesiredStateCompleted)), number: 1, want: upload.RefusalNotOpen},
		{name: "Aborting", upload: open(testkit.Wanting(v1alpha1.DesiredStateAborted)), number: 1, want: upload.RefusalNotOpen},
		{name: "Deleted", upload: open(testkit.Deleted(testkit.Epoch)), number: 1, want: upload.RefusalNotOpen},
		{name: "Ended", upload: open(testkit.Ended(testkit.Epoch)), number: 1, want: upload.RefusalNotOpen},
		{name: "Rule4LastMoment", upload: open(), number: 1, at: expires.Add(-time.Nanosecond)},
		{name: "Rule4TimeIsOver", upload: open(), number: 1, at: expires, want: upload.RefusalNotOpen},
		{name: "Rule4TimeIsOverThoughTheStatusSaysNo", upload: open(never), number: 1, at: expires, want: upload.RefusalNotOpen},
		{name: "Rule6SameIfMatch", upload: open(testkit.IfMatch(3)), number: 1, ifMatch: ptr.To[int64](3)},
		{name: "Rule6IfMatchLeftOut", upload: open(testkit.IfMatch(3)), number: 1},
		{name: "Rule6OtherIfMatch", upload: open(testkit.IfMatch(3)), number: 1, ifMatch: ptr.To[int64](4), want: upload.RefusalConflict},
		{name: "Rule6IfMatchOfANewFile", upload: open(), number: 1, ifMatch: ptr.To[int64](0), want: upload.RefusalConflict},
		{name: "Rule3BeforeTheFinalPart", upload: open(testkit.FinalPart(5)), number: 4},
		{name: "Rule3TheFinalPartItself", upload: open(testkit.FinalPart(5)), number: 5, want: upload.RefusalConflict},
		{name: "Rule3BehindTheFinalPart", upload: open(testkit.FinalPart(5)), number: 6, want: upload.RefusalConflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := c.at
			if at.IsZero() {
				at = testkit.Epoch.Add(time.Minute)
			}
			expectRefusal(t, upload.AdmitPart(c.upload, store, c.number, c.ifMatch, at), c.want)
		})
	}
}

func expectRefusal(t *testing.T, err error, want upload.RefusalKind) {
	t.Helper()
	var refusal *upload.Refusal
	switch {
	case want == 0 && err != nil:
		t.Errorf("refused: %v", err)
	case want != 0 && (!errors.As(err, &refusal) || refusal.Kind != want || refusal.Error() == ""):
		t.Errorf("error is %#v, want a refusal of kind %d", err, want)
	}
}
