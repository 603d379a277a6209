package dataplane

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// verdict is what the conditions of a read come to.
type verdict int

const (
	goAhead verdict = iota
	notModified
	preconditionFailed
)

// evaluate judges the conditions of a GET or HEAD of an existing file in the order of RFC 9110, 13.2.2. Reads follow HTTP to the letter; only writes answer
// 409 where HTTP says 412. What cannot be read matches nothing.
func evaluate(h http.Header, version int64, modified time.Time) verdict {
	modified = modified.Truncate(time.Second) // as it is shown
	since := func(name string) (time.Time, bool) {
		t, err := http.ParseTime(h.Get(name))
		return t, err == nil
	}
	if match := h.Values("If-Match"); len(match) > 0 {
		if !etagListed(match, version, false) {
			return preconditionFailed
		}
	} else if t, ok := since("If-Unmodified-Since"); ok && modified.After(t) {
		return preconditionFailed
	}
	if none := h.Values("If-None-Match"); len(none) > 0 {
		if etagListed(none, version, true) {
			return notModified
		}
	} else if t, ok := since("If-Modified-Since"); ok && !modified.After(t) {
		return notModified
	}
	return goAhead
}

// etagListed says whether a list of ETags, quoted or not, names the version, or any.
func etagListed(headers []string, version int64, weak bool) bool {
	own := strconv.FormatInt(version, 10)
	for _, header := range headers {
		for tag := range strings.SplitSeq(header, ",") {
			tag = strings.TrimSpace(tag)
			if weak {
				tag = strings.TrimPrefix(tag, "W/")
			}
			if tag == "*" || tag == own || tag == `"`+own+`"` {
				return true
			}
		}
	}
	return false
}
