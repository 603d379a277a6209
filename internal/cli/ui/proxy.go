package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"syscall"

	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

const (
	// heldBack is from how many bytes on a body waits for "100 Continue": what can be refused is
	// refused before it is sent.
	heldBack = 1 << 20
	// maxDropped is how many bytes of a refused body are read, so that the browser gets to the
	// answer. They come from this machine.
	maxDropped = 256 << 20
)

// sent are the headers of a request that the REST API gets. What a browser adds, such as Cookie,
// Origin, and the Cache-Control of a reload, which would be kept with a file, is none of its
// business.
var sent = headerSet("Accept", "Content-Digest", "Content-Language", "Content-Type", "Description", "Idempotency-Key", "If-Match",
	"If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range", "Timestamp", "Traceparent", "Type",
	"X-Amz-Checksum-Crc32", "X-Amz-Checksum-Crc32c", "X-Amz-Checksum-Crc64nvme", "X-Amz-Checksum-Sha256", "X-File-Size")

func headerSet(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[http.CanonicalHeaderKey(name)] = true
	}
	return set
}

// keep takes all but some headers away.
func keep(header http.Header, names map[string]bool) {
	for name := range header {
		if !names[name] {
			delete(header, name)
		}
	}
}

// serveAPI sends a request on to the REST API with the caller's token, and its answer back, both as
// they come.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	to, ok := readRoute(r)
	if !ok {
		refuse(w, http.StatusNotFound, "the page needs no such request of the REST API, so it is not sent on")
		return
	}
	api, err := s.api.get(r.Context())
	if err != nil {
		refuse(w, http.StatusBadGateway, apiProblem(err))
		return
	}
	target, err := to.url(api)
	if err != nil {
		refuse(w, http.StatusBadGateway, apiProblem(err))
		return
	}
	token, err := api.Token.Token(r.Context())
	if err != nil {
		refuse(w, http.StatusBadGateway, "there is no token for the REST API: "+err.Error())
		return
	}
	body := r.Body
	r.Body = notClosed{body}
	proxy := &httputil.ReverseProxy{
		Transport: api.Transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, p.Out.Host = target, ""
			keep(p.Out.Header, sent)
			p.Out.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
			p.Out.Header.Set("User-Agent", version.UserAgent())
			if p.Out.ContentLength >= heldBack || p.Out.ContentLength < 0 {
				p.Out.Header.Set("Expect", "100-continue")
			}
		},
		ModifyResponse: func(response *http.Response) error {
			if response.StatusCode >= http.StatusMultipleChoices {
				_, _ = io.CopyN(io.Discard, body, maxDropped)
			}
			return to.tidy(response)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			refuse(w, http.StatusBadGateway, apiProblem(err))
		},
	}
	w.Header().Set("Content-Security-Policy", sandbox)
	proxy.ServeHTTP(finalOnly{w}, r)
}

// url is where the request is sent. Namespaces are named where the token has none.
func (to *apiRoute) url(api *API) (*url.URL, error) {
	namespace := to.namespace
	if namespace == "" {
		namespace = url.PathEscape(api.Namespace)
	}
	root := strings.TrimSuffix(api.Server, "/")
	if namespace != "" {
		root += "/namespaces/" + namespace
	}
	target, err := url.Parse(root + to.path)
	if err != nil {
		return nil, err
	}
	target.RawQuery = to.query.Encode()
	return target, nil
}

// apiProblem says why the REST API is not to be had, and what to do.
func apiProblem(err error) string {
	var known redirected
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the REST API has not answered in time: kubectl iotfile doctor finds out why"
	case errors.As(err, &known):
		return err.Error()
	}
	if broke(err) {
		return "the connection to the REST API broke before it had answered"
	}
	return fmt.Sprintf("the REST API cannot be reached: %v. kubectl iotfile doctor finds out why", err)
}

// broke reports whether a connection that there was has ended. What the network layer says of that
// helps nobody.
func broke(err error) bool {
	for _, end := range []error{net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// notClosed is a body that the transport does not close: when the answer comes before all of it was
// sent, the rest is dropped.
type notClosed struct{ io.Reader }

// Close implements io.Closer.
func (notClosed) Close() error { return nil }

// finalOnly hides the 1xx answers of the REST API, which are for this program.
type finalOnly struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w finalOnly) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap gives it to [http.ResponseController].
func (w finalOnly) Unwrap() http.ResponseWriter { return w.ResponseWriter }
