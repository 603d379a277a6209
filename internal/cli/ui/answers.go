package ui

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// sandbox is the Content-Security-Policy of files: whoever has sent one does not get to run
// anything in the browser of its reader.
const sandbox = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'"

// received are the headers of an answer that the browser gets. Others are for this program, or are
// orders to a browser, such as cookies, redirects, logins and service workers.
var received = headerSet("Accept-Ranges", "Allow", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language",
	"Content-Length", "Content-Range", "Content-Type", "Count", "Date", "Description", "ETag", "Last-Modified", "Location", "Repr-Digest",
	"Retry-After", "Timestamp", "X-Amz-Checksum-Crc32", "X-Amz-Checksum-Crc32c", "X-Amz-Checksum-Crc64nvme", "X-Amz-Checksum-Sha256",
	"X-Amz-Checksum-Type", "X-File-Tag", "X-Operator-Version", "X-Part-Etag", "X-Part-Number-Max", "X-Part-Size-Max", "X-Part-Size-Min",
	"X-Request-Id", "X-Total-Count")

const (
	textPlain = "text/plain"
	bytesOnly = "application/octet-stream"
)

// pictures are shown as they are: none of them can hold a script.
var pictures = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"}

// redirected is the answer of a hop that sends the browser elsewhere. The REST API never does.
type redirected struct{ server string }

// Error implements error.
func (e redirected) Error() string {
	return fmt.Sprintf("the address %s redirects to another one, which the REST API never does: give its own by --server", e.server)
}

// tidy makes an answer of the REST API, or of a hop before it, one for the browser.
func (to *apiRoute) tidy(response *http.Response) error {
	status, header := response.StatusCode, response.Header
	if status >= 300 && status < 400 && status != http.StatusNotModified {
		return redirected{response.Request.URL.Host}
	}
	keep(header, received)
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	if !to.file || status >= 400 {
		// The page reads it, and nothing else does: an error page of a hop is not to be shown.
		if mediaType != "application/json" && mediaType != "" {
			header.Set("Content-Type", textPlain+"; charset=utf-8")
		}
		return nil
	}
	if to.preview && shown(header, mediaType) {
		return nil
	}
	header.Set("Content-Disposition", attachment(header.Get("Content-Disposition")))
	if response.Request.Method == http.MethodGet && !strings.HasPrefix(mediaType, "multipart/") {
		header.Set("Content-Type", bytesOnly) // no script and no style of the page
	}
	return nil
}

// shown makes an answer one that a browser shows in a frame, where it is of a type that can be.
func shown(header http.Header, mediaType string) bool {
	switch {
	case mediaType == textPlain:
		header.Set("Content-Type", textPlain+"; charset=utf-8")
	case slices.Contains(pictures, mediaType):
		header.Set("Content-Type", mediaType)
	default:
		return false
	}
	header.Del("Content-Disposition")
	return true
}

// attachment is a Content-Disposition that has the file saved, under the name that it gives.
func attachment(given string) string {
	_, parameters, err := mime.ParseMediaType(given)
	if err != nil || parameters["filename"] == "" {
		return "attachment"
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": parameters["filename"]})
}
