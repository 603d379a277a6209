package upload_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestParseIfMatchRule6(t *testing.T) {
	for header, want := range map[string]int64{
		"0": 0, "3": 3, `"3"`: 3, " 3 ": 3, ` "12" `: 12, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := upload.ParseIfMatch(header); err != nil || got == nil || *got != want {
			t.Errorf("ParseIfMatch(%q) = %v, %v; want %d", header, got, err, want)
		}
	}
	if got, err := upload.ParseIfMatch(""); got != nil || err != nil {
		t.Errorf("an absent header gives %v, %v", got, err)
	}
	for _, header := range []string{
		"*", "-1", "+3", "03", `"03"`, "00", "3.0", "0x3", "1_000", "3 4", "3,4", `"3`, `3"`, `""`, `"`, " ", `W/"3"`, "９", "9223372036854775808", strings.Repeat("9", 5000),
	} {
		got, err := upload.ParseIfMatch(header)
		if err == nil || got != nil {
			t.Errorf("ParseIfMatch(%q) = %v, want an error", header, *got)
		} else if len(err.Error()) > 250 {
			t.Errorf("the error of a header of %d bytes has %d", len(header), len(err.Error()))
		}
	}
}

func TestParsePartNumberRule1(t *testing.T) {
	for s, want := range map[string]int32{"1": 1, "7": 7, "10": 10, "999": 999, "1000": 1000} {
		if got, err := upload.ParsePartNumber(s, 1000); err != nil || got != want {
			t.Errorf("ParsePartNumber(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "00", "01", "1001", "-1", "+1", "1.0", "1e2", " 1", "1 ", "0x1", "1_0", "a", "１", "4294967297", strings.Repeat("1", 5000)} {
		got, err := upload.ParsePartNumber(s, 1000)
		expectError(t, err, "part numbers are integers from 1 to 1000")
		if got != 0 {
			t.Errorf("ParsePartNumber(%q) = %d beside its error", s, got)
		}
	}
}

func TestCheckVersionRule6(t *testing.T) {
	for _, c := range []struct {
		name    string
		ifMatch *int64
		exists  bool
		current int64
		want    string
	}{
		{"NewFile", nil, false, 0, ""},
		{"NewFileButItExists", nil, true, 3, "the file exists with ETag 3"},
		{"NewFileButItExistsInVersion0", nil, true, 0, "the file exists with ETag 0"},
		{"Update", ptr.To[int64](3), true, 3, ""},
		{"UpdateOfVersion0", ptr.To[int64](0), true, 0, ""},
		{"UpdateButOlder", ptr.To[int64](2), true, 3, "the file has ETag 3, and If-Match demands 2"},
		{"UpdateButNewer", ptr.To[int64](4), true, 3, "the file has ETag 3, and If-Match demands 4"},
		{"UpdateButGone", ptr.To[int64](0), false, 0, "the file does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) { expectError(t, upload.CheckVersion(c.ifMatch, c.exists, c.current), c.want) })
	}
}

func TestNextVersionRisesByOne(t *testing.T) {
	for _, c := range []struct {
		ifMatch *int64
		want    int64
	}{{nil, 0}, {ptr.To[int64](0), 1}, {ptr.To[int64](41), 42}} {
		if got := upload.NextVersion(c.ifMatch); got != c.want {
			t.Errorf("NextVersion(%v) = %d, want %d", c.ifMatch, got, c.want)
		}
	}
}

// FuzzParseIfMatch: what is accepted is exactly the canonical decimal of the number, quoted or not.
func FuzzParseIfMatch(f *testing.F) {
	for _, s := range []string{"", "0", "3", `"3"`, "03", "-1", "+1", "1_0", "*", `W/"3"`, " 3", `""`, "9223372036854775808", "３"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := upload.ParseIfMatch(header)
		if err != nil || header == "" {
			if got != nil {
				t.Errorf("ParseIfMatch(%q) = %d beside %v", header, *got, err)
			}
			return
		}
		s, canonical := strings.TrimSpace(header), strconv.FormatInt(*got, 10)
		if (s != canonical && s != `"`+canonical+`"`) || *got < 0 {
			t.Errorf("ParseIfMatch(%q) = %d", header, *got)
		}
	})
}

// FuzzParsePartNumber: what is accepted is exactly the canonical decimal of 1..max.
func FuzzParsePartNumber(f *testing.F) {
	for _, s := range []string{"", "0", "1", "01", "1000", "1001", "-1", "+1", "1_0", "1e1", " 1", "４", "2147483648"} {
		f.Add(s, int32(1000))
	}
	f.Fuzz(func(t *testing.T, s string, limit int32) {
		got, err := upload.ParsePartNumber(s, limit)
		if err == nil && (got < 1 || got > limit || strconv.Itoa(int(got)) != s) {
			t.Errorf("ParsePartNumber(%q, %d) = %d", s, limit, got)
		}
		if n, convErr := strconv.Atoi(s); err != nil && convErr == nil && n >= 1 && n <= int(limit) && strconv.Itoa(n) == s {
			t.Errorf("ParsePartNumber(%q, %d) is refused: %v", s, limit, err)
		}
	})
}
