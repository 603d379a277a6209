package catalog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
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
			index := catalog.Indexes()
			if diff := cmp.Diff(test.isOpen, index[catalog.ByOpen](test.upload)); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.isOpened, index[catalog.ByOpened](test.upload)); diff != "" {
				t.Errorf("opened (-want +got):\n%s", diff)
			}
			if got := index[catalog.ByFile](test.upload); len(got) != 1 || got[0] != catalog.FileKey(upload.FileOf(test.upload)) {
				t.Errorf("by file: %v", got)
			}
		})
	}
}
