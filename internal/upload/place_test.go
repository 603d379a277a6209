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

// What the operator writes passes, and what it would not have written does not.
func TestCheckStatus(t *testing.T) {
	plain, prefixed := testkit.Store("store"), testkit.Store("store", testkit.Prefixed("iot/"))
	forge := func(change func(*v1alpha1.MultipartUploadStatus)) *v1alpha1.MultipartUpload {
		u := testkit.Upload(testkit.InStore("store"), testkit.Opened("id"))
		change(&u.Status)
		return u
	}
	withID := func(id string) *v1alpha1.MultipartUpload {
		return forge(func(s *v1alpha1.MultipartUploadStatus) { s.UploadID = id })
	}
	key := func(key string) func(s *v1alpha1.MultipartUploadStatus) {
		return func(s *v1alpha1.MultipartUploadStatus) { s.ObjectKey = key }
	}
	own := upload.FileOf(testkit.Upload()).TenantKey()
	for name, c := range map[string]struct {
		u     *v1alpha1.MultipartUpload
		store *v1alpha1.FileStore
		want  string // the field, empty for none
	}{
		"new":                            {testkit.Upload(), plain, ""},
		"new, before its store is known": {testkit.Upload(), nil, ""},
		"opened":                         {testkit.Upload(testkit.InStore("store"), testkit.Opened("id")), plain, ""},
		"opened, by the namespace's default store": {testkit.Upload(testkit.Opened("id")), plain, ""},
		"opened, below a prefix":                   {forge(key("iot/" + own)), prefixed, ""},
		"opened, and its store is gone":            {testkit.Upload(testkit.Opened("id")), nil, ""},
		"restored in part":                         {forge(func(s *v1alpha1.MultipartUploadStatus) { s.ObjectKey, s.StartTime = "", nil }), plain, ""},
		"started before it was created, as in a backup": {forge(func(s *v1alpha1.MultipartUploadStatus) {
			s.StartTime = ptr.To(metav1.NewTime(testkit.Epoch.AddDate(-1, 0, 0)))
		}), plain, ""},

		"the key of another tenant":    {forge(key("victim/" + testkit.Entity + "/path/to/file.bin")), plain, "objectKey"},
		"the key of another entity":    {forge(key("default/fedcba9876543210fedcba9876543210/path/to/file.bin")), plain, "objectKey"},
		"the key without its prefix":   {forge(key(own)), prefixed, "objectKey"},
		"a key that is not opened yet": {forge(func(s *v1alpha1.MultipartUploadStatus) { *s = v1alpha1.MultipartUploadStatus{ObjectKey: "x"} }), plain, "objectKey"},
		"a path that has no key": {func() *v1alpha1.MultipartUpload {
			u := testkit.Upload(testkit.ForFile(testkit.Entity, "../../x"), testkit.Opened("id"))
			u.Status.ObjectKey = ""
			return u
		}(), plain, "objectKey"},
		"another store than the manifest names": {forge(func(s *v1alpha1.MultipartUploadStatus) { s.StoreName = "another" }), plain, "storeName"},
		"another store, before it is known":     {forge(func(s *v1alpha1.MultipartUploadStatus) { s.StoreName = "another" }), nil, "storeName"},
		"another store than takes it":           {testkit.Upload(testkit.Opened("id")), testkit.Store("another"), "storeName"},
		"started without having been opened": {forge(func(s *v1alpha1.MultipartUploadStatus) {
			*s = v1alpha1.MultipartUploadStatus{StartTime: ptr.To(metav1.NewTime(testkit.Epoch))}
		}), plain, "startTime"},
		"started tomorrow": {forge(func(s *v1alpha1.MultipartUploadStatus) {
			s.StartTime = ptr.To(metav1.NewTime(testkit.Epoch.AddDate(0, 0, 1)))
		}), plain, "startTime"},

		"an id of AWS":         {withID("VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA.x_-"), plain, ""},
		"an id of Ceph":        {withID("2~Yz_7nVBsfTpJ"), plain, ""},
		"an id with /, +, =":   {withID("a/b+c=="), plain, ""},
		"an id with a way up":  {withID("../0a1b/id"), plain, "uploadID"},
		"the same, on Windows": {withID(`..\0a1b`), plain, "uploadID"},
		"a way up within":      {withID("x/../../y"), plain, "uploadID"},
		"the directory itself": {withID("."), plain, "uploadID"},
		"an id of two lines":   {withID("id\r\nHost: x"), plain, "uploadID"},
		"an id with a blank":   {withID("a b"), plain, "uploadID"},
		"an id with a NUL":     {withID("a\x00b"), plain, "uploadID"},
		"an id in Chinese":     {withID("号"), plain, "uploadID"},
	} {
		t.Run(name, func(t *testing.T) {
			err := upload.CheckStatus(c.u, c.store, testkit.Epoch.Add(time.Minute))
			var fault *upload.StatusError
			if errors.As(err, &fault) != (c.want != "") || fault != nil && fault.Field != c.want {
				t.Errorf("the fault is %v, want one of %q", err, c.want)
			}
		})
	}
}

// What a status cannot have from the operator has it wait until it is deleted, and then delete what
// is the file's own.
func TestDecideMismatch(t *testing.T) {
	forged := func(u *v1alpha1.MultipartUpload) { u.Status.ObjectKey = "victim/" + testkit.Entity + "/x" }
	traversal := testkit.Opened("../id")
	runDecide(t, []decideCase{
		{name: "Waits", seen: seen{Upload: mpu(opened, forged)}, want: upload.StepWait, reason: v1alpha1.ReasonStatusMismatch, stalled: true, waits: time.Minute + upload.CheckInterval},
		{name: "CompletesNothing", seen: seen{Upload: mpu(opened, forged, completed), Object: nothing, PartList: parts(1)}, want: upload.StepWait, reason: v1alpha1.ReasonStatusMismatch, stalled: true, waits: time.Minute + upload.CheckInterval},
		{name: "AbortsNothing", seen: seen{Upload: mpu(opened, forged, aborted), Object: nothing, PartList: parts(1)}, want: upload.StepWait, reason: v1alpha1.ReasonStatusMismatch, stalled: true, waits: time.Minute + upload.CheckInterval},
		{name: "ExpiresNot", seen: seen{Upload: mpu(opened, forged), Object: nothing}, after: expiry, want: upload.StepWait, reason: v1alpha1.ReasonStatusMismatch, stalled: true, waits: expiry + upload.CheckInterval},
		{name: "OpensNothing", seen: seen{Upload: mpu(finalizer, forged), Object: nothing}, want: upload.StepWait, reason: v1alpha1.ReasonStatusMismatch, stalled: true, waits: time.Minute + upload.CheckInterval},
		{name: "DeletedWithoutAnUpload", seen: seen{Upload: mpu(finalizer, forged, deleted)}, want: upload.StepReleaseFinalizer},
		{name: "DeletedWithAnIdThatIsNone", seen: seen{Upload: mpu(traversal, deleted)}, want: upload.StepReleaseFinalizer},
		{name: "Deleted", seen: seen{Upload: mpu(opened, forged, deleted), Object: nothing}, want: upload.StepAbort, reason: v1alpha1.ReasonAborting},
		{name: "DeletedAndAborted", seen: seen{Upload: mpu(opened, forged, deleted), Object: nothing, PartList: lost}, want: upload.StepReleaseFinalizer, reason: v1alpha1.ReasonAborted, stalled: true},
		{name: "DeletedAndTheFileIsThere", seen: seen{Upload: mpu(opened, forged, deleted), Object: mine}, want: upload.StepReleaseFinalizer},
		{name: "DeletedWhileTheStoreIsDown", seen: seen{Upload: mpu(opened, forged, deleted), Problem: down}, want: upload.StepWait, reason: v1alpha1.ReasonStoreUnavailable, retries: true},
	})
}
