package upload_test

import (
	"fmt"
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
		{"WaitsUntilSomebodyActs", testkit.Upload(testkit.InStore("gold"), testkit.StalledBy(v1alpha1.ReasonVersionConflict)), nil, nil},
		{"DeletedBeforeItWasOpened", testkit.Upload(testkit.InStore("gold"), testkit.Deleted(testkit.Epoch)), nil, nil},
		{"Opened", testkit.Upload(opened), []string{"gold"}, []string{"gold"}},
		{"SaidToBeOpenedElsewhereThanNamed", testkit.Upload(testkit.InStore("silver"), opened), []string{"silver"}, []string{"silver"}},
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
			if got := index[upload.FileIndex](test.upload); len(got) != 1 || got[0] != upload.FileOf(test.upload).IndexKey() {
				t.Errorf("by file: %v", got)
			}
		})
	}
}

// A file is found by what it is, and by nothing else, also among those that share its place in the
// index.
func TestOfFile(t *testing.T) {
	file := upload.File{Namespace: "team-a", EntityID: testkit.Entity, Path: "a/b.bin"}
	neighbour := file
	for i := 0; neighbour == file || neighbour.IndexKey() != file.IndexKey(); i++ {
		neighbour.Path = fmt.Sprintf("a/%d.bin", i)
	}
	of := func(f upload.File, name string) v1alpha1.MultipartUpload {
		return *testkit.Upload(testkit.ForFile(f.EntityID, f.Path), testkit.Named(f.Namespace, name), testkit.InStore("gold"))
	}
	found := []v1alpha1.MultipartUpload{
		of(neighbour, "neighbour"), of(file, "one"), of(upload.File{Namespace: "team-b", EntityID: file.EntityID, Path: file.Path}, "of-another-team"),
		of(upload.File{Namespace: "team-a", EntityID: "f" + file.EntityID[1:], Path: file.Path}, "of-another-entity"), of(file, "two"),
	}
	found[1].Spec.IfMatch = new(int64(7))
	picked := upload.OfFile(found, file)
	if len(picked) != 2 || picked[0].Name != "one" || picked[1].Name != "two" {
		t.Fatalf("picked %+v", picked)
	}
	if picked[0].Spec.IfMatch == found[1].Spec.IfMatch {
		t.Error("what was picked is not a copy")
	}
}
