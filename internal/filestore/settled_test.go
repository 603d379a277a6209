package filestore_test

import (
	"context"
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

// TestListSettled: a list that ends early once, or before parts that still arrive, is not believed.
func TestListSettled(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		lists []int // how many parts each has; -1 fails
		want  int
		asked int
	}{
		"at rest":          {[]int{3, 3}, 3, 2},
		"nothing":          {[]int{0, 0}, 0, 2},
		"short at first":   {[]int{2, 3, 3}, 3, 3},
		"short then":       {[]int{3, 2, 3, 3}, 3, 4},
		"growing":          {[]int{1, 2, 3, 4, 4}, 4, 5},
		"fails":            {[]int{-1}, -1, 1},
		"fails then":       {[]int{3, -1}, -1, 2},
		"growing for ever": {[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 9, 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			parts, err := filestore.ListSettled(t.Context(), func(context.Context) ([]filestore.Part, error) {
				n := tt.lists[asked]
				asked++
				if n < 0 {
					return nil, broken
				}
				parts := make([]filestore.Part, n)
				for i := range parts {
					parts[i].Number = int32(i) + 1
				}
				return parts, nil
			})
			if (tt.want < 0) != errors.Is(err, broken) || tt.want >= 0 && len(parts) != tt.want || asked != tt.asked {
				t.Errorf("after %d lists it gives %d parts, %v", asked, len(parts), err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := filestore.ListSettled(ctx, func(context.Context) ([]filestore.Part, error) { cancel(); return nil, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
}
