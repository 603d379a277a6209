package dataplane

import (
	"crypto/sha256"
	"encoding/hex"
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

// evaluate judges the conditions of a GET or HEAD of an existing file in the order of RFC 9110,
// 13.2.2. Reads follow HTTP to the letter; only writes answer 409 where HTTP says 412. What cannot
// be read matches nothing.
func evaluate(h http.Header, tags fileTags, modified time.Time) verdict {
	modified = modified.Truncate(time.Second) // as it is shown
	since := func(name string) (time.Time, bool) {
		t, err := http.ParseTime(h.Get(name))
		return t, err == nil
	}
	if match := h.Values("If-Match"); len(match) > 0 {
		if !tags.listed(match, false) {
			return preconditionFailed
		}
	} else if t, ok := since("If-Unmodified-Since"); ok && modified.After(t) {
		return preconditionFailed
	}
	if none := h.Values("If-None-Match"); len(none) > 0 {
		if tags.listed(none, true) {
			return notModified
		}
	} else if t, ok := since("If-Modified-Since"); ok && !modified.After(t) {
		return notModified
	}
	return goAhead
}

// fileTags are what conditions of reads may name a file by. The version begins at 0 again after a
// deletion; the tag tells two files apart that had the same number.
type fileTags struct{ version, tag string }

// tagsOf gives the tags of a file of that version whose object has that ETag.
func tagsOf(version int64, etag string) fileTags {
	const digits = 16
	number, sum := strconv.FormatInt(version, 10), sha256.Sum256([]byte(etag))
	return fileTags{version: number, tag: number + "-" + hex.EncodeToString(sum[:])[:digits]}
}

// versionTag is of a version alone: that is what conditions of writes name.
func versionTag(version int64) fileTags { return fileTags{version: strconv.FormatInt(version, 10)} }

// match reports whether a tag, quoted or not, is one of the file's.
func (t fileTags) match(tag string) bool {
	if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
		tag = tag[1 : len(tag)-1]
	}
	return tag == t.version || (t.tag != "" && tag == t.tag)
}

// listed reports whether a list of tags names the file, or any.
func (t fileTags) listed(headers []string, weak bool) bool {
	for _, header := range headers {
		for tag := range strings.SplitSeq(header, ",") {
			tag = strings.TrimSpace(tag)
			if weak {
				tag = strings.TrimPrefix(tag, "W/")
			}
			if tag == "*" || t.match(tag) {
				return true
			}
		}
	}
	return false
}
