package content

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Text reads a header as UTF-8, or, where it is not, as ISO 8859-1, the older custom.
func Text(header string) string {
	if utf8.ValidString(header) {
		return header
	}
	runes := make([]rune, len(header))
	for i := range len(header) {
		runes[i] = rune(header[i])
	}
	return string(runes)
}

// Printable reports whether s is of printable ASCII alone.
func Printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}

// timestampLayouts are the forms of ISO 8601 that clients send. A time without a zone is UTC.
var timestampLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02",
	"20060102T150405Z0700", "20060102T150405",
}

// ParseTimestamp reports whether s is a time, of a year that RFC 3339 can write in UTC. One that is
// not is ignored, not refused: a common client sends such (docs/rest-api.md, "Headers").
func ParseTimestamp(s string) (time.Time, bool) {
	for _, layout := range timestampLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			t = t.UTC()
			return t, !t.IsZero() && t.Year() >= 1 && t.Year() <= 9999
		}
	}
	return time.Time{}, false
}
