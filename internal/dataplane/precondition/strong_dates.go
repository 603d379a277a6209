package precondition

import (
	"net/http"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// clocksApart is how far the clocks of the operator and of object storage may be apart, where a
// time of one is compared with one of the other.
const clocksApart = 5 * time.Second

// Continues evaluates an If-Range for a file of these tags: a range may be sent where there is no
// such header, or it names the version that is here, by a tag or by a strong date.
func Continues(ifRange string, tags Tags, file upload.FileMetadata, modified time.Time) bool {
	return rangeApplies(ifRange, tags) || dateApplies(ifRange, file, modified)
}

// dateApplies evaluates an If-Range that is a date (RFC 9110, 13.1.5): it must be that of the file,
// and a strong validator.
func dateApplies(ifRange string, file upload.FileMetadata, modified time.Time) bool {
	t, err := http.ParseTime(strings.TrimSpace(ifRange))
	return err == nil && t.Equal(modified.Truncate(time.Second)) && aloneInItsSecond(file, modified)
}

// aloneInItsSecond reports whether the file is known to have had no other version within the second
// in which it was stored, so that its date is a strong validator (RFC 9110, 8.8.2.2). Of an update,
// what tells is when the version before it was stored. Where a new file was stored, another one may
// have been, and been deleted, a moment before: nobody keeps that, but there was none when the
// upload of the new one began. Of the files of others nothing is known.
func aloneInItsSecond(file upload.FileMetadata, modified time.Time) bool {
	before := file.Replaced
	if file.Version == 0 && !file.Created.IsZero() {
		before = file.Created.Add(clocksApart)
	}
	return !before.IsZero() && before.Before(modified.Truncate(time.Second))
}
