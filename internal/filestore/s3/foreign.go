package s3

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
)

// genuineAnswers refuses successes that are not object storage's own where minio-go would believe
// them: it decodes any XML, so a page of an ingress would be an empty listing, and takes 200 for
// 204.
type genuineAnswers struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (g genuineAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	switch {
	case req.Method == http.MethodDelete && resp.Header.Get("X-Amz-Request-Id") == "":
		err = errForeign
	case req.Method == http.MethodGet && req.URL.Query().Get("list-type") == "2":
		err = wantRoot(resp, "<ListBucketResult")
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// rootBytes is how much of an answer is looked at for its root element: the XML declaration, and
// space for comments.
const rootBytes = 1024

// wantRoot fails unless the body of an answer has this root element. The body can still be read
// from its beginning.
func wantRoot(resp *http.Response, root string) error {
	buffered := bufio.NewReaderSize(resp.Body, rootBytes)
	head, err := buffered.Peek(rootBytes)
	if !bytes.Contains(head, []byte(root)) {
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return errForeign
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{buffered, resp.Body}
	return nil
}
