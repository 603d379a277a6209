// Package nullstore is object storage that costs as little as an HTTP server in Go can: it takes
// parts and forgets their bytes. What a client adds to the way of the bytes shows best in front of
// it.
//
// It speaks as much S3 as the operator and the peers that it is compared with need. Bodies of up to
// a mebibyte are kept, and their trailing CRC64NVME is verified, so that the operator's probe finds
// a store that protects bytes and chooses the mode that it chooses in front of a real one. No
// signature is looked at, and of larger bodies nothing but the length. It is for benchmarks on
// loopback.
package nullstore

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Server is the store. It implements http.Handler. Every bucket exists. The zero value is not
// ready: see New.
type Server struct {
	mu      sync.Mutex
	objects map[string]*object // by bucket/key
	uploads map[string]*upload // by upload id
	serial  int64
}

// object is a finished object, or a part.
type object struct {
	name     string // bucket/key
	size     int64
	content  []byte // nil if it was too large to keep
	etag     string
	modified time.Time
	header   http.Header // Content-Type and metadata
}

type upload struct {
	object
	id    string
	parts map[int]*object
}

// New returns an empty store.
func New() *Server {
	return &Server{objects: map[string]*object{}, uploads: map[string]*upload{}}
}

// failure is an error as S3 answers it.
type failure struct {
	XMLName xml.Name `xml:"Error"`
	Status  int      `xml:"-"`
	Code    string
	Message string
}

// Error implements error.
func (f *failure) Error() string { return f.Code }

func fail(status int, code string) error { return &failure{Status: status, Code: code, Message: code} }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amz-Request-Id", "null")
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	call := &call{store: s, w: w, r: r, bucket: bucket, name: bucket + "/" + key, query: r.URL.Query()}
	serve := call.serveObject
	if key == "" {
		serve = call.serveBucket
	}
	if err := serve(); err != nil {
		f := &failure{Status: http.StatusInternalServerError, Code: "InternalError", Message: err.Error()}
		_ = errors.As(err, &f) // else it stays as it is
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(f.Status)
		_ = xml.NewEncoder(w).Encode(f) // fails if the client is gone
	}
}

// call is one request.
type call struct {
	store        *Server
	w            http.ResponseWriter
	r            *http.Request
	bucket, name string
	query        url.Values
}

func (c *call) serveBucket() error {
	is := func(method, query string) bool { return c.r.Method == method && c.query.Has(query) }
	switch {
	case c.bucket == "":
		return c.answer(allBuckets{})
	case is(http.MethodGet, "location"):
		return c.answer(location{})
	case is(http.MethodGet, "uploads"):
		return c.listUploads()
	case is(http.MethodGet, "list-type"):
		return c.listObjects()
	case is(http.MethodPost, "delete"):
		return c.deleteObjects()
	case c.r.Method == http.MethodHead, c.r.Method == http.MethodPut && len(c.query) == 0:
		return nil
	}
	return fail(http.StatusNotImplemented, "NotImplemented")
}

func (c *call) serveObject() error {
	multipart := c.query.Has("uploadId")
	switch c.r.Method {
	case http.MethodPut:
		if multipart {
			return c.putPart()
		}
		return c.putObject()
	case http.MethodPost:
		if multipart {
			return c.complete()
		}
		return c.initiate()
	case http.MethodDelete:
		if multipart {
			return c.abort()
		}
		return c.deleteObject()
	case http.MethodGet, http.MethodHead:
		if multipart {
			return c.listParts()
		}
		return c.getObject()
	}
	return fail(http.StatusNotImplemented, "NotImplemented")
}

func (c *call) answer(body any) error {
	c.w.Header().Set("Content-Type", "application/xml")
	_, _ = c.w.Write([]byte(xml.Header)) // fails if the client is gone
	return xml.NewEncoder(c.w).Encode(body)
}

// newTag makes what has never been an ETag or an upload id before. The caller holds mu.
func (s *Server) newTag() string {
	s.serial++
	return fmt.Sprintf("%032x", s.serial)
}
