package content

import (
	"testing"
	"time"
)

func TestParseTimestamp(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range []string{
		"2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", "2026-01-02T04:04:05.000+0100", "2026-01-02T03:04:05", "20260102T030405Z",
	} {
		if got, ok := ParseTimestamp(s); !ok || !got.Equal(want) {
			t.Errorf("%q: %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "Fri Jan 02 2026 03:04:05 GMT+0000", "2026-13-02T03:04:05Z", "0001-01-01T00:00:00Z", "0000-01-01", "12345"} {
		if got, ok := ParseTimestamp(s); ok {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
}

func TestHeaderText(t *testing.T) {
	if got := Text("gr\xf6\xdfe"); got != "größe" {
		t.Errorf("ISO 8859-1: %q", got)
	}
	if got := Text("größe"); got != "größe" {
		t.Errorf("UTF-8: %q", got)
	}
}
