package dataplane

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// parseRange reads a Range header (RFC 9110, 14.1.2; contract rule 9) for a file of size bytes. partial is false where the whole file is to be sent: there is no header,
// it is malformed, it is of another unit, or it asks for several ranges. satisfiable is false where a well-formed one lies
// outside the file.
func parseRange(header string, size int64) (rng filestore.ByteRange, partial, satisfiable bool) {
	whole := filestore.ByteRange{Offset: 0, Length: size}
	unit, spec, found := strings.Cut(header, "=")
	if !found || !strings.EqualFold(unit, "bytes") {
		return whole, false, true
	}
	first, last, found := strings.Cut(strings.Trim(spec, " \t"), "-")
	if !found || (first == "" && last == "") {
		return whole, false, true
	}
	from, ok1 := parsePosition(first, 0)
	to, ok2 := parsePosition(last, size-1)
	if !ok1 || !ok2 {
		return whole, false, true
	}
	if first == "" { // the last n bytes
		if to == 0 || size == 0 {
			return whole, true, false
		}
		n := min(to, size)
		return filestore.ByteRange{Offset: size - n, Length: n}, true, true
	}
	switch {
	case from >= size:
		// An end before the start makes it malformed, wherever it lies.
		return whole, last == "" || to >= from, last != "" && to < from
	case to < from:
		return whole, false, true
	}
	return filestore.ByteRange{Offset: from, Length: min(to, size-1) - from + 1}, true, true
}

// parsePosition reads decimal digits, or gives absent for none. What is larger than any file counts as the largest number.
func parsePosition(s string, absent int64) (int64, bool) {
	if s == "" {
		return absent, true
	}
	for _, ch := range []byte(s) {
		if ch < '0' || ch > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}

func contentRange(rng filestore.ByteRange, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", rng.Offset, rng.Offset+rng.Length-1, size)
}

// rangeApplies evaluates If-Range (RFC 9110, 13.1.5): a range is only sent of the version that the client has the rest of.
func rangeApplies(ifRange string, version int64, modified time.Time) bool {
	ifRange = strings.TrimSpace(ifRange)
	if ifRange == "" {
		return true
	}
	if strings.Trim(ifRange, `"`) == strconv.FormatInt(version, 10) {
		return true
	}
	t, err := http.ParseTime(ifRange)
	return err == nil && t.Equal(modified.Truncate(time.Second))
}
