package filestore_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// TestStatSettled: what it gives is of one object, however often the object is replaced in the
// middle of a look; of one that never rests, nothing.
func TestStatSettled(t *testing.T) {
	for _, replaced := range []int{0, 1, 3, 100} {
		store := memory.New(memory.Options{})
		version := 0
		var replace func()
		replace = func() {
			version++
			name := strconv.Itoa(version)
			store.SetObject("k", []byte("content "+name), filestore.CreateUploadOptions{Metadata: map[string]string{"version": name}})
			if version <= replaced {
				store.TearStat("k", replace)
			}
		}
		replace()
		seen, err := store.Stat(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		got, err := filestore.StatSettled(t.Context(), store.Stat, seen)
		if replaced == 100 {
			if !errors.Is(err, filestore.ErrPrecondition) || version > 20 {
				t.Errorf("restless: %+v, %v, after %d versions", got, err, version)
			}
			continue
		}
		want, _ := store.Stat(t.Context(), "k")
		if err != nil || !filestore.Same(got, want) || got.Checksum != want.Checksum || got.Metadata["version"] != strconv.Itoa(replaced+1) {
			t.Errorf("replaced %d times: %+v, %v, want %+v", replaced, got, err, want)
		}
	}
}
