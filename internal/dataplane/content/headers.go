package content

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Longest values of the headers that are kept with a file, as the schema of MultipartUpload has
// them. Together with the media type they stay below the 2 KiB that S3 takes for such headers.
const (
	maxContentHeader      = 255
	maxContentDisposition = 1024
)

// awsChunked is the content coding in which S3 clients frame bodies for S3.
const awsChunked = "aws-chunked"

// CheckBody refuses a PUT whose headers say something of its body that this API cannot do,
// before the body is asked for.
func CheckBody(h http.Header) error {
	if len(h.Values("Content-Range")) > 0 { // RFC 9110, 14.5
		return apierror.BadRequest("Content-Range says that the body is a piece of the file, and it would become all of it: send the whole file without that header, or its pieces as parts, with upload=start")
	}
	framed := h.Get("X-Amz-Decoded-Content-Length") != "" || strings.HasPrefix(strings.ToUpper(h.Get("X-Amz-Content-Sha256")), "STREAMING-")
	if framed || strings.Contains(strings.ToLower(listOf(h, "Content-Encoding")), awsChunked) {
		return apierror.UnsupportedMedia("the body is framed as aws-chunked, which only object storage reads, and the frames would become part of the file: send the bytes as they are")
	}
	return nil
}

// listOf is a header that may be sent in several lines.
func listOf(h http.Header, name string) string {
	return strings.Trim(strings.Join(h.Values(name), ", "), ", ")
}

// ReadHeaders reads what is kept with the file of the headers of its content. The error is
// for the client.
func ReadHeaders(h http.Header, spec *v1alpha1.MultipartUploadSpec) error {
	for _, field := range []struct {
		name  string
		limit int
		value *string
	}{
		{"Content-Encoding", maxContentHeader, &spec.ContentEncoding},
		{"Content-Language", maxContentHeader, &spec.ContentLanguage},
		{"Content-Disposition", maxContentDisposition, &spec.ContentDisposition},
		{"Cache-Control", maxContentHeader, &spec.CacheControl},
	} {
		*field.value = listOf(h, field.name)
		if len(*field.value) > field.limit || !Printable(*field.value) {
			return apierror.BadRequest(fmt.Sprintf("%s is kept with the file, and must be printable ASCII of at most %d characters", field.name, field.limit))
		}
	}
	if strings.EqualFold(spec.ContentEncoding, "identity") { // the word for no coding
		spec.ContentEncoding = ""
	}
	return nil
}

// Describe sets the headers of the content of a file. Those that S3 tools have stored are
// served, too, as far as they tell readers the truth.
func Describe(h http.Header, content filestore.ContentHeaders) {
	for name, value := range map[string]string{
		"Content-Encoding":    without(content.ContentEncoding, isAWSChunked),
		"Content-Language":    content.ContentLanguage,
		"Content-Disposition": content.ContentDisposition,
		"Cache-Control":       privately(content.CacheControl),
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
}

// Move takes those headers off that tell of the bytes of a file, and not of several ranges
// of it with something in between, and gives them as each range is headed with them.
func Move(h http.Header) (lines string) {
	for _, name := range []string{"Content-Encoding", "Content-Language"} {
		if value := h.Get(name); value != "" {
			h.Del(name)
			lines += name + ": " + value + "\r\n"
		}
	}
	return lines
}

// isAWSChunked reports whether a coding is that of bodies on their way to S3. Some backends keep it
// with the object, whose bytes are not so framed.
func isAWSChunked(coding string) bool { return strings.EqualFold(coding, awsChunked) }

// privately is what a file is served with of the Cache-Control that was stored with it. It was read
// with somebody's right to read it, so no cache may give it to others.
func privately(stored string) string {
	rest := without(stored, func(directive string) bool {
		name, _, _ := strings.Cut(strings.ToLower(directive), "=")
		switch strings.TrimSpace(name) {
		case "public", "private", "s-maxage":
			return true
		}
		return false
	})
	switch {
	case strings.Trim(stored, " \t,") == "":
		return ""
	case rest == "":
		return "private"
	}
	return "private, " + rest
}

// without leaves out the elements of a header's list that drop names. A comma within quotes
// separates nothing.
func without(list string, drop func(element string) bool) string {
	var kept []string
	quoted := false
	for element := range strings.FieldsFuncSeq(list, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	}) {
		if element = strings.Trim(element, " \t"); element != "" && !drop(element) {
			kept = append(kept, element)
		}
	}
	return strings.Join(kept, ", ")
}

// IsWildcard reports whether a media type is a range of them, such as "*/*", which some clients
// send where they know none.
func IsWildcard(mediaType string) bool {
	essence, _, _ := strings.Cut(mediaType, ";")
	essence = strings.TrimSpace(essence)
	return essence == "*" || strings.HasSuffix(essence, "/*")
}

// unknownType is the media type of bytes of which nothing is known.
const unknownType = "application/octet-stream"

// Kind is what a file is said to be, in listings: a media type, or another word that a client has
// sent as type.
func Kind(object filestore.Object) string {
	if object.ContentType == "" || IsWildcard(object.ContentType) {
		return unknownType
	}
	return object.ContentType
}

// MediaType is what a file is served as: a word without a slash is no media type.
func MediaType(object filestore.Object) string {
	kind := Kind(object)
	if essence, _, _ := strings.Cut(kind, ";"); !strings.Contains(essence, "/") {
		return unknownType
	}
	return kind
}
