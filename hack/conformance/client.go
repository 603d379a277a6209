package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// api speaks the REST API through several replicas.
type api struct {
	urls   []string
	token  string
	entity string
	client *http.Client
}

// answer is what a request came to.
type answer struct {
	status int
	etag   string
	body   []byte
}

// file is the path of a file in URLs.
func (a *api) file(name string) string {
	segments := strings.Split(name, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return "/api/iotfile/v3/files/" + a.entity + "/" + strings.Join(segments, "/")
}

// do sends one request to a replica.
func (a *api) do(ctx context.Context, replica int, method, path string, body io.Reader, size int, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.urls[replica]+path, body)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.ContentLength = int64(size)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := a.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header.Get("ETag"), got}, err
}

// send is do with bytes, sent again while the answer asks for that.
func (a *api) send(ctx context.Context, replica int, method, path string, content []byte, header ...string) (answer, error) {
	for try := 0; ; try++ {
		var body io.Reader
		if content != nil {
			body = bytes.NewReader(content)
		}
		got, err := a.do(ctx, replica, method, path, body, len(content), header...)
		if err != nil || got.status != http.StatusServiceUnavailable || try == 5 {
			return got, err
		}
		select {
		case <-ctx.Done():
			return got, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// want is send, and an error unless the answer has the status.
func (a *api) want(ctx context.Context, status int, method, path string, content []byte, header ...string) (answer, error) {
	got, err := a.send(ctx, 0, method, path, content, header...)
	if err == nil && got.status != status {
		err = fmt.Errorf("%s %s: %d %s, want %d", method, path, got.status, clip(got.body), status)
	}
	return got, err
}

// wantFile fails unless the file has this content.
func (a *api) wantFile(ctx context.Context, path string, content []byte) error {
	got, err := a.want(ctx, http.StatusOK, http.MethodGet, path, nil)
	if err == nil && !bytes.Equal(got.body, content) {
		err = fmt.Errorf("GET %s: %d bytes that are not the %d that were sent", path, len(got.body), len(content))
	}
	return err
}

func clip(text []byte) string {
	const most = 200
	if len(text) > most {
		text = text[:most]
	}
	return string(bytes.TrimSpace(text))
}

// random gives bytes that do not compress.
func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return b
}

// errCut ends a body in its middle.
var errCut = errors.New("cut on purpose")

type failing struct{}

// Read implements io.Reader.
func (failing) Read([]byte) (int, error) { return 0, errCut }
