package precondition

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestParseRanges(t *testing.T) {
	type rngs = []filestore.ByteRange
	const size = 100
	for _, tt := range []struct {
		header      string
		size        int64
		want        rngs // nil for the whole file
		satisfiable bool
	}{
		{"", size, nil, true},
		{"bytes=0-0", size, rngs{{Offset: 0, Length: 1}}, true},
		{"bytes=10-19", size, rngs{{Offset: 10, Length: 10}}, true},
		{"BYTES=10-", size, rngs{{Offset: 10, Length: 90}}, true},
		{"bytes= 10-19 ", size, rngs{{Offset: 10, Length: 10}}, true},
		{"bytes=99-", size, rngs{{Offset: 99, Length: 1}}, true},
		{"bytes=90-1000", size, rngs{{Offset: 90, Length: 10}}, true},
		{"bytes=90-99999999999999999999999999", size, rngs{{Offset: 90, Length: 10}}, true},
		{"bytes=-10", size, rngs{{Offset: 90, Length: 10}}, true},
		{"bytes=-100", size, rngs{{Offset: 0, Length: 100}}, true},
		{"bytes=-1000", size, rngs{{Offset: 0, Length: 100}}, true},
		{"bytes=-99999999999999999999999999", size, rngs{{Offset: 0, Length: 100}}, true},
		// Malformed: the whole file.
		{"bytes=19-10", size, nil, true},
		{"bytes=1000-10", size, nil, true},
		{"bytes=-", size, nil, true},
		{"bytes=", size, nil, true},
		{"bytes=,", size, nil, true},
		{"bytes", size, nil, true},
		{"bytes=a-b", size, nil, true},
		{"bytes=+1-2", size, nil, true},
		{"bytes=1--2", size, nil, true},
		{"bytes=--2", size, nil, true},
		{"bytes=1", size, nil, true},
		{"bytes=0-1,x", size, nil, true},
		{"items=0-5", size, nil, true},
		// Several, in the order in which they were asked for.
		{"bytes=5-6,0-1", size, rngs{{Offset: 5, Length: 2}, {Offset: 0, Length: 2}}, true},
		{"bytes=0-1, ,90-,", size, rngs{{Offset: 0, Length: 2}, {Offset: 90, Length: 10}}, true},
		{"bytes=0-1,200-300", size, rngs{{Offset: 0, Length: 2}}, true},
		{"bytes=0-1,2-3", size, rngs{{Offset: 0, Length: 2}, {Offset: 2, Length: 2}}, true},
		{"bytes=0-1,-0,-1", size, rngs{{Offset: 0, Length: 2}, {Offset: 99, Length: 1}}, true},
		// Too many, or the same bytes again: the whole file.
		{"bytes=0-1,1-2", size, nil, true},
		{"bytes=0-,0-,0-", size, nil, true},
		{"bytes=0-0" + strings.Repeat(",200-200", MaxRanges), size, nil, true},
		// Unsatisfiable.
		{"bytes=100-", size, nil, false},
		{"bytes=100-200", size, nil, false},
		{"bytes=100-200,300-", size, nil, false},
		{"bytes=99999999999999999999999999-", size, nil, false},
		{"bytes=-0", size, nil, false},
		{"bytes=0-", 0, nil, false},
		{"bytes=-1", 0, nil, false},
		{"", 0, nil, true},
	} {
		got, satisfiable := ParseRanges(tt.header, tt.size)
		if satisfiable != tt.satisfiable || (satisfiable && !slices.Equal(got, tt.want)) {
			t.Errorf("ParseRanges(%q, %d) = %+v, %v", tt.header, tt.size, got, satisfiable)
		}
	}
}

// FuzzParseRange: whatever is sent, what is read lies inside the file, no byte of it twice.
func FuzzParseRange(f *testing.F) {
	for _, header := range []string{"bytes=0-1", "bytes=-5", "bytes=7-", "bytes=9-2", "bytes=9223372036854775807-", "bytes=-0", "bytes=1-2,3-4", "bytes=-1,0-0,5-"} {
		f.Add(header, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		rngs, satisfiable := ParseRanges(header, size)
		if !satisfiable && len(rngs) > 0 {
			t.Fatalf("%q of %d: unsatisfiable, and %+v", header, size, rngs)
		}
		total := int64(0)
		for _, rng := range rngs {
			if rng.Offset < 0 || rng.Length <= 0 || rng.Offset >= size || rng.Length > size-rng.Offset {
				t.Fatalf("%q of %d: %+v lies outside or is empty", header, size, rng)
			}
			if total += rng.Length; total > size {
				t.Fatalf("%q of %d: %+v are more than the file", header, size, rngs)
			}
		}
		if len(rngs) > MaxRanges {
			t.Fatalf("%q: %d ranges", header, len(rngs))
		}
	})
}

func TestEvaluate(t *testing.T) {
	modified := time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC)
	const same, earlier, later = "Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:04 GMT", "Fri, 02 Jan 2026 03:04:06 GMT"
	for _, tt := range []struct {
		headers []string
		want    Verdict
	}{
		{nil, GoAhead},
		{[]string{"If-None-Match", "3"}, NotModified},
		{[]string{"If-None-Match", `"3"`}, NotModified},
		{[]string{"If-None-Match", `W/"3"`}, NotModified},
		{[]string{"If-None-Match", `"1", "2" ,3`}, NotModified},
		{[]string{"If-None-Match", "1", "If-None-Match", "3"}, NotModified},
		{[]string{"If-None-Match", "*"}, NotModified},
		{[]string{"If-None-Match", "4"}, GoAhead},
		{[]string{"If-None-Match", `"33", "03", +3, 3.0`}, GoAhead},
		{[]string{"If-None-Match", `"d41d8cd9"`}, GoAhead},
		{[]string{"If-Modified-Since", same}, NotModified},
		{[]string{"If-Modified-Since", later}, NotModified},
		{[]string{"If-Modified-Since", earlier}, GoAhead},
		{[]string{"If-Modified-Since", "yesterday"}, GoAhead},
		{[]string{"If-None-Match", "4", "If-Modified-Since", later}, GoAhead}, // the date does not count then
		{[]string{"If-Match", "3"}, GoAhead},
		{[]string{"If-Match", `"1", "3"`}, GoAhead},
		{[]string{"If-Match", "*"}, GoAhead},
		{[]string{"If-Match", "4"}, Failed},
		{[]string{"If-Match", `W/"3"`}, Failed}, // compared strongly
		{[]string{"If-Match", "4", "If-None-Match", "3"}, Failed},
		{[]string{"If-Match", "3", "If-None-Match", "3"}, NotModified},
		{[]string{"If-Unmodified-Since", earlier}, Failed},
		{[]string{"If-Unmodified-Since", same}, GoAhead},
		{[]string{"If-Unmodified-Since", "x"}, GoAhead},
		{[]string{"If-Match", "3", "If-Unmodified-Since", earlier}, GoAhead},
	} {
		h := http.Header{}
		for i := 0; i+1 < len(tt.headers); i += 2 {
			h.Add(tt.headers[i], tt.headers[i+1])
		}
		if got := Evaluate(h, TagsOf(3, "etag"), modified); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.headers, got, tt.want)
		}
	}
}

// FuzzIfMatch: If-Match of a write and the conditions of a read agree on what an ETag is, and
// nothing makes them panic.
func FuzzIfMatch(f *testing.F) {
	for _, header := range []string{"3", `"3"`, `W/"3"`, "*", "3, 4", `"3`, " 3 ", "03", "9223372036854775808", "\x00", `""`, ","} {
		f.Add(header, int64(3))
	}
	f.Fuzz(func(t *testing.T, header string, version int64) {
		if version < 0 {
			return
		}
		tags := TagsOf(version, "etag")
		strong, weak := tags.listed([]string{header}, false), tags.listed([]string{header}, true)
		if strong && !weak {
			t.Errorf("%q names %d strongly, but not weakly", header, version)
		}
		v, err := upload.ParseIfMatch(header)
		if err == nil && v != nil && (*v == version) != strong {
			t.Errorf("%q is %d for a write, and for a read of version %d: %v", header, *v, version, strong)
		}
		if own := strconv.FormatInt(version, 10); !tags.listed([]string{own}, false) || !tags.listed([]string{`"` + own + `"`}, false) {
			t.Errorf("%s is not itself", own)
		}
	})
}

func TestRangeApplies(t *testing.T) {
	for ifRange, want := range map[string]bool{
		"": true, "3": true, `"3"`: true, "4": false, `W/"3"`: false, "Fri, 02 Jan 2026 03:04:05 GMT": false, "x": false,
	} {
		if got := rangeApplies(ifRange, TagsOf(3, "etag")); got != want {
			t.Errorf("If-Range %q: %v, want %v", ifRange, got, want)
		}
	}
}

// TestDateApplies: a date is good for a range only if no other version can have been there within
// its second.
func TestDateApplies(t *testing.T) {
	modified := time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC)
	second := modified.Truncate(time.Second)
	const same, later = "Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:06 GMT"
	for _, tt := range []struct {
		ifRange string
		file    upload.FileMetadata
		want    bool
	}{
		{same, upload.FileMetadata{Version: 1, Replaced: second.Add(-1)}, true},
		{same, upload.FileMetadata{Version: 1, Replaced: second}, false},
		{same, upload.FileMetadata{Version: 1, Replaced: modified.Add(-1)}, false},
		{same, upload.FileMetadata{Version: 1}, false},
		{same, upload.FileMetadata{Version: 1, Created: second.Add(-time.Hour)}, false},
		{same, upload.FileMetadata{Created: second.Add(-clocksApart - 1)}, true},
		{same, upload.FileMetadata{Created: second.Add(-clocksApart)}, false},
		{same, upload.FileMetadata{Created: second.Add(-1)}, false},
		{same, upload.FileMetadata{}, false},
		{" " + same + " ", upload.FileMetadata{Version: 1, Replaced: second.Add(-1)}, true},
		{later, upload.FileMetadata{Version: 1, Replaced: second.Add(-1)}, false},
		{"x", upload.FileMetadata{Version: 1, Replaced: second.Add(-1)}, false},
		{"", upload.FileMetadata{Version: 1, Replaced: second.Add(-1)}, false},
	} {
		if got := dateApplies(tt.ifRange, tt.file, modified); got != tt.want {
			t.Errorf("If-Range %q of %+v: %v, want %v", tt.ifRange, tt.file, got, tt.want)
		}
	}
}
