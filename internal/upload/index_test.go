package upload_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestIndexes(t *testing.T) {
	opened := func(u *v1alpha1.MultipartUpload) { u.Status.UploadID, u.Status.StoreName = "id", "gold" }
	for _, test := range []struct {
		name             string
		upload           *v1alpha1.MultipartUpload
		isOpen, isOpened []string
	}{
		{"ItsStoreIsNotKnown", testkit.Upload(testkit.InStore("")), nil, nil},
		{"NotOpened", testkit.Upload(testkit.InStore("gold")), []string{"gold"}, nil},
		{"DeletedBeforeItWasOpened", testkit.Upload(testkit.InStore("gold"), testkit.Deleted(testkit.Epoch)), nil, nil},
		{"Opened", testkit.Upload(opened), []string{"gold"}, []string{"gold"}},
		{"OpenedElsewhereThanNamed", testkit.Upload(testkit.InStore("silver"), opened), []string{"gold"}, []string{"gold"}},
		{"DeletedWhileOpen", testkit.Upload(opened, testkit.Deleted(testkit.Epoch)), []string{"gold"}, []string{"gold"}},
		{"Ended", testkit.Upload(testkit.InStore("gold"), opened, testkit.Ended(testkit.Epoch)), nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			index := upload.Indexes()
			if diff := cmp.Diff(test.isOpen, index[upload.OpenIndex](test.upload)); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.isOpened, index[upload.OpenedIndex](test.upload)); diff != "" {
				t.Errorf("opened (-want +got):\n%s", diff)
			}
			if got := index[upload.FileIndex](test.upload); len(got) != 1 || got[0] != upload.FileIndexKey(test.upload) {
				t.Errorf("by file: %v", got)
			}
		})
	}
}

// A file is found by what it is, and by nothing else; how long its path is makes no difference to the index.
func TestFileIndexKey(t *testing.T) {
	file := upload.File{Namespace: "team-a", EntityID: testkit.Entity, Path: "a/b.bin"}
	seen := map[string]upload.File{}
	for _, f := range []upload.File{
		file,
		{Namespace: "team-b", EntityID: file.EntityID, Path: file.Path},
		{Namespace: "team-a", EntityID: "f" + file.EntityID[1:], Path: file.Path},
		{Namespace: "team-a", EntityID: file.EntityID, Path: "a/b.bin2"},
		{Namespace: "team-a", EntityID: file.EntityID, Path: longPath},
	} {
		key := f.IndexKey()
		if other, ok := seen[key]; ok || len(key) != 22 {
			t.Errorf("%+v has the key %q, as has %+v", f, key, other)
		}
		seen[key] = f
	}
	if u := testkit.Upload(testkit.ForFile(file.EntityID, file.Path), testkit.Named("team-a", "any"), testkit.InStore("gold")); upload.FileIndexKey(u) != file.IndexKey() {
		t.Error("the upload of the file has another key")
	}
}
