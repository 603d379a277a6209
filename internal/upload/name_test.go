package upload_test

import (
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// The names are an agreement between replicas, of different versions too: a change here makes an
// open upload unfindable.
func TestNameGolden(t *testing.T) {
	for path, want := range map[string]string{
		"firmware.bin":            "firmware-bin-a56dca280dfae6d82b6f",
		"logs/2026/Engine Log.7z": "engine-log-7z-562651f5b6b34e17b032",
		"日本":                      "file-4be309d180e6f0f47085",
		"a/--x--/__":              "file-f1e4969e2ab399a0853d",
		strings.Repeat("ab-", 60): "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-4eb6194ecd40b224861e",
	} {
		if got := upload.Name("store", upload.File{Namespace: "team-a", EntityID: testkit.Entity, Path: path}); got != want {
			t.Errorf("Name(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestNameTellsFilesApart(t *testing.T) {
	names := map[string]string{}
	for _, c := range []struct{ store, ns, entity, path string }{
		{"s", "a", testkit.Entity, "x"},
		{"t", "a", testkit.Entity, "x"},
		{"s", "b", testkit.Entity, "x"},
		{"s", "a", "ffffffffffffffffffffffffffffffff", "x"},
		{"s", "a", testkit.Entity, "X"},
		{"s", "a", testkit.Entity, "y/x"},
		{"sa", "", testkit.Entity, "x"},
		{"", "sa", testkit.Entity, "x"},
	} {
		name := upload.Name(c.store, upload.File{Namespace: c.ns, EntityID: c.entity, Path: c.path})
		if other, taken := names[name]; taken {
			t.Errorf("%+v has the name of %s", c, other)
		}
		names[name] = c.store + " " + c.ns + " " + c.entity + " " + c.path
	}
}

func FuzzNameIsADNSLabel(f *testing.F) {
	for _, path := range []string{"a", "-", "A.B", "日本", strings.Repeat("x-", 100), "K", "İ", "a/-b-", "..."} {
		f.Add("store", path)
	}
	f.Fuzz(func(t *testing.T, store, path string) {
		name := upload.Name(store, upload.File{Namespace: "n", EntityID: testkit.Entity, Path: path})
		if !isNamespace(name) { // namespaces are DNS labels as well
			t.Errorf("Name of %q is %q (%d characters), no DNS label", path, name, len(name))
		}
	})
}
