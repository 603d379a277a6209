package dataplane

import (
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func TestParseRange(t *testing.T) {
	const size = 100
	for _, tt := range []struct {
		header               string
		size, offset, length int64
		partial, satisfiable bool
	}{
		{"", size, 0, 100, false, true},
		{"bytes=0-0", size, 0, 1, true, true},
		{"bytes=10-19", size, 10, 10, true, true},
		{"BYTES=10-", size, 10, 90, true, true},
		{"bytes= 10-19 ", size, 10, 10, true, true},
		{"bytes=99-", size, 99, 1, true, true},
		{"bytes=90-1000", size, 90, 10, true, true},
		{"bytes=90-99999999999999999999999999", size, 90, 10, true, true},
		{"bytes=-10", size, 90, 10, true, true},
		{"bytes=-100", size, 0, 100, true, true},
		{"bytes=-1000", size, 0, 100, true, true},
		{"bytes=-99999999999999999999999999", size, 0, 100, true, true},
		// Malformed: the whole file.
		{"bytes=19-10", size, 0, 100, false, true},
		{"bytes=1000-10", size, 0, 100, false, true},
		{"bytes=-", size, 0, 100, false, true},
		{"bytes=", size, 0, 100, false, true},
		{"bytes", size, 0, 100, false, true},
		{"bytes=a-b", size, 0, 100, false, true},
		{"bytes=+1-2", size, 0, 100, false, true},
		{"bytes=1--2", size, 0, 100, false, true},
		{"bytes=--2", size, 0, 100, false, true},
		{"items=0-5", size, 0, 100, false, true},
		// Several: the whole file.
		{"bytes=0-1,5-6", size, 0, 100, false, true},
		// Unsatisfiable.
		{"bytes=100-", size, 0, 0, true, false},
		{"bytes=100-200", size, 0, 0, true, false},
		{"bytes=99999999999999999999999999-", size, 0, 0, true, false},
		{"bytes=-0", size, 0, 0, true, false},
		{"bytes=0-", 0, 0, 0, true, false},
		{"bytes=-1", 0, 0, 0, true, false},
		{"", 0, 0, 0, false, true},
	} {
		rng, partial, satisfiable := parseRange(tt.header, tt.size)
		if partial != tt.partial || satisfiable != tt.satisfiable || (satisfiable && rng != filestore.ByteRange{Offset: tt.offset, Length: tt.length}) {
			t.Errorf("parseRange(%q, %d) = %+v, %v, %v", tt.header, tt.size, rng, partial, satisfiable)
		}
	}
}

// FuzzParseRange: whatever is sent, what is read lies inside the file, and only a whole file is not called partial.
func FuzzParseRange(f *testing.F) {
	for _, header := range []string{"bytes=0-1", "bytes=-5", "bytes=7-", "bytes=9-2", "bytes=9223372036854775807-", "bytes=-0", "bytes=1-2,3-4"} {
		f.Add(header, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		rng, partial, satisfiable := parseRange(header, size)
		switch {
		case !satisfiable:
			if !partial {
				t.Fatalf("%q of %d: unsatisfiable and whole", header, size)
			}
		case rng.Offset < 0 || rng.Length < 0 || rng.Offset > size || rng.Length > size-rng.Offset:
			t.Fatalf("%q of %d: %+v lies outside", header, size, rng)
		case partial && rng.Length == 0:
			t.Fatalf("%q of %d: an empty range is satisfied", header, size)
		case !partial && (rng.Offset != 0 || rng.Length != size):
			t.Fatalf("%q of %d: %+v is not the whole file", header, size, rng)
		}
	})
}

func TestRangeApplies(t *testing.T) {
	modified := time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC)
	for ifRange, want := range map[string]bool{
		"": true, "3": true, `"3"`: true, "Fri, 02 Jan 2026 03:04:05 GMT": true,
		"4": false, `W/"3"`: false, "Fri, 02 Jan 2026 03:04:06 GMT": false, "x": false,
	} {
		if got := rangeApplies(ifRange, 3, modified); got != want {
			t.Errorf("If-Range %q: %v, want %v", ifRange, got, want)
		}
	}
}
