package upload

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxVersion is the highest version that is believed: above it, JSON readers lose digits, and
// counting on would overflow.
const MaxVersion = 1<<53 - 1

// ParseIfMatch reads an If-Match header: an integer version, quoted or not (docs/rest-api.md,
// "Versions"). An absent header (empty string) gives nil. The error may be shown to a
// client.
func ParseIfMatch(header string) (*int64, error) {
	if header == "" {
		return nil, nil
	}
	s := strings.TrimSpace(header)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if !decimal(s) || (len(s) > 1 && s[0] == '0') {
		return nil, fmt.Errorf("If-Match is %q: send the file's ETag, a decimal integer such as 3", clip(header))
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("If-Match %q is larger than any ETag", clip(header))
	}
	return &v, nil
}

// decimal reports whether s is one or more ASCII digits, without the signs, underscores and
// prefixes that strconv takes.
func decimal(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// ParsePartNumber reads the query parameter part: an integer of 1..max without sign or leading
// zeros. The error may be shown to a client.
func ParsePartNumber(s string, maxNumber int32) (int32, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || !decimal(s) || s[0] == '0' || n > int64(maxNumber) {
		return 0, fmt.Errorf("part is %q: part numbers are integers from 1 to %d", clip(s), maxNumber)
	}
	return int32(n), nil
}

// CheckVersion compares a file with the version that an upload demands of it: exists and current
// say what is stored, and a nil ifMatch demands that there is no file (docs/rest-api.md,
// "Versions"). It returns nil, or a *ConflictError.
func CheckVersion(ifMatch *int64, exists bool, current int64) error {
	switch {
	case ifMatch == nil && exists:
		return &ConflictError{Message: fmt.Sprintf("the file exists with ETag %d: to update it, send If-Match: %d", current, current)}
	case ifMatch == nil:
		return nil
	case !exists:
		return &ConflictError{Message: fmt.Sprintf("the file does not exist, and If-Match: %d demands that version: leave If-Match out to create it", *ifMatch)}
	case *ifMatch != current:
		return &ConflictError{Message: fmt.Sprintf("the file has ETag %d, and If-Match demands %d: read it again and decide anew", current, *ifMatch)}
	}
	return nil
}

// ConflictError says that a file is not at the version that was demanded. Its text may be shown to
// a client.
type ConflictError struct{ Message string }

// Error implements error.
func (e *ConflictError) Error() string { return e.Message }

// NextVersion is the version of the file that an upload makes: 0 for a new file, one more for an
// update (docs/rest-api.md, "Versions").
func NextVersion(ifMatch *int64) int64 {
	if ifMatch == nil {
		return 0
	}
	return *ifMatch + 1
}
