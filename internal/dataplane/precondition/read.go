package precondition

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Verdict is what the conditions of a read come to.
type Verdict int

// Verdicts.
const (
	// GoAhead: all conditions hold.
	GoAhead Verdict = iota
	// NotModified: the client has the file already (304).
	NotModified
	// Failed: the file is not what the request demands (412).
	Failed
)

// Evaluate judges the conditions of a GET or HEAD of an existing file in the order of RFC 9110,
// 13.2.2. Reads follow HTTP to the letter; only writes answer 409 where HTTP says 412. What cannot
// be read matches nothing.
func Evaluate(h http.Header, tags Tags, modified time.Time) Verdict {
	modified = modified.Truncate(time.Second) // as it is shown
	since := func(name string) (time.Time, bool) {
		t, err := http.ParseTime(h.Get(name))
		return t, err == nil
	}
	if match := h.Values("If-Match"); len(match) > 0 {
		if !tags.listed(match, false) {
			return Failed
		}
	} else if t, ok := since("If-Unmodified-Since"); ok && modified.After(t) {
		return Failed
	}
	if none := h.Values("If-None-Match"); len(none) > 0 {
		if tags.listed(none, true) {
			return NotModified
		}
	} else if t, ok := since("If-Modified-Since"); ok && !modified.After(t) {
		return NotModified
	}
	return GoAhead
}

// Tags are what conditions of reads may name a file by. The version begins at 0 again after a
// deletion; the tag tells two files apart that had the same number.
type Tags struct {
	// Version is the number of the version.
	Version string
	// Tag is of the version and of its bytes; empty where a version is named alone.
	Tag string
}

// TagsOf gives the tags of a file of that version whose object has that ETag.
func TagsOf(version int64, etag string) Tags {
	const digits = 16
	number, sum := strconv.FormatInt(version, 10), sha256.Sum256([]byte(etag))
	return Tags{Version: number, Tag: number + "-" + hex.EncodeToString(sum[:])[:digits]}
}

// versionTag is of a version alone: that is what conditions of writes name.
func versionTag(version int64) Tags { return Tags{Version: strconv.FormatInt(version, 10)} }

// match reports whether a tag, quoted or not, is one of the file's.
func (t Tags) match(tag string) bool {
	if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
		tag = tag[1 : len(tag)-1]
	}
	return tag == t.Version || (t.Tag != "" && tag == t.Tag)
}

// listed reports whether a list of tags names the file, or any.
func (t Tags) listed(headers []string, weak bool) bool {
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
