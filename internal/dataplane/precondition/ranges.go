package precondition

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// MaxRanges is how many ranges one request gets. A client that asks for more, or for the same bytes
// more than once, is sent the whole file, which costs less (RFC 9110, 14.2 and 17.15).
const MaxRanges = 16

// ParseRanges reads a Range header (RFC 9110, 14.1.2; docs/rest-api.md, "Read") for a file of size
// bytes. No ranges mean that the whole file is to be sent: there is no header, it is malformed, of
// another unit, or asks for too much. Of several ranges those that lie outside the file are left
// out; satisfiable is false when that leaves none.
func ParseRanges(header string, size int64) (rngs []filestore.ByteRange, satisfiable bool) {
	unit, set, found := strings.Cut(header, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return nil, true
	}
	asked := 0
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue // an empty element of a list does not count
		}
		rng, ok := parseRange(spec, size)
		if asked++; !ok || asked > MaxRanges {
			return nil, true
		}
		if rng.Length > 0 {
			rngs = append(rngs, rng)
		}
	}
	if asked == 0 || overlap(rngs) {
		return nil, true
	}
	return rngs, len(rngs) > 0
}

// parseRange reads one range. Its length is 0 if it lies outside the file; ok is false if it is
// malformed.
func parseRange(spec string, size int64) (rng filestore.ByteRange, ok bool) {
	first, last, found := strings.Cut(spec, "-")
	from, ok1 := parsePosition(first, 0)
	to, ok2 := parsePosition(last, 1<<63-1)
	switch {
	case !found || !ok1 || !ok2 || (first == "" && last == "") || (first != "" && to < from):
		return rng, false
	case first == "": // the last bytes
		n := min(to, size)
		return filestore.ByteRange{Offset: size - n, Length: n}, true
	case from >= size:
		return rng, true
	}
	return filestore.ByteRange{Offset: from, Length: min(to, size-1) - from + 1}, true
}

// overlap reports whether two of the ranges share a byte.
func overlap(rngs []filestore.ByteRange) bool {
	sorted := slices.SortedFunc(slices.Values(rngs), func(a, b filestore.ByteRange) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i-1].Offset+sorted[i-1].Length > sorted[i].Offset {
			return true
		}
	}
	return false
}

// parsePosition reads decimal digits, or gives absent for none. What is larger than any file counts
// as the largest number.
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

// ContentRange is the header of that name for a range of a file of size bytes.
func ContentRange(rng filestore.ByteRange, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", rng.Offset, rng.Offset+rng.Length-1, size)
}

// rangeApplies evaluates If-Range (RFC 9110, 13.1.5) by its tag: a range is only sent of the
// version that the client has the rest of. Dates are dateApplies' business.
func rangeApplies(ifRange string, tags Tags) bool {
	ifRange = strings.TrimSpace(ifRange)
	if ifRange == "" {
		return true
	}
	return tags.match(ifRange)
}
