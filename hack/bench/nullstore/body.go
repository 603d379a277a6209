package nullstore

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minio/crc64nvme"
)

const (
	// kept is the length on the wire up to which bodies are kept and verified. Larger ones are
	// parts of files.
	kept = 1 << 20
	// readBytes is how much of a body is read at once.
	readBytes = 1 << 20
)

var buffers = sync.Pool{New: func() any { b := make([]byte, readBytes); return &b }}

// take reads the body of a request. An object comes of it only if the body was whole.
func (c *call) take() (*object, error) {
	o := &object{name: c.name, size: c.r.ContentLength, modified: time.Now().UTC().Truncate(time.Second), header: http.Header{}}
	framed := strings.HasPrefix(c.r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-")
	if framed {
		size, err := strconv.ParseInt(c.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil {
			return nil, fail(http.StatusLengthRequired, "MissingContentLength")
		}
		o.size = size
	}
	if c.r.ContentLength > kept {
		return o, c.discard()
	}
	raw, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, fail(http.StatusBadRequest, "IncompleteBody")
	}
	o.content = raw
	if framed {
		if o.content, err = unframe(raw); err != nil {
			return nil, fail(http.StatusBadRequest, "InvalidRequest")
		}
		if !intact(o.content, raw) {
			return nil, fail(http.StatusBadRequest, "BadDigest")
		}
	}
	o.size = int64(len(o.content))
	return o, nil
}

// discard reads the body and forgets it.
func (c *call) discard() error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c.r.Body}, *buffer)
	if err != nil || n != c.r.ContentLength {
		return fail(http.StatusBadRequest, "IncompleteBody")
	}
	return nil
}

var errFraming = errors.New("this is not aws-chunked")

// unframe takes the payload out of aws-chunked.
func unframe(raw []byte) ([]byte, error) {
	var payload []byte
	for {
		head, rest, ok := bytes.Cut(raw, []byte("\r\n"))
		if !ok {
			return nil, errFraming
		}
		digits, _, _ := bytes.Cut(head, []byte(";")) // a signature may follow
		size, err := strconv.ParseUint(string(digits), 16, 31)
		switch {
		case err != nil:
			return nil, errFraming
		case size == 0:
			return payload, nil
		case uint64(len(rest)) < size+2:
			return nil, errFraming
		}
		payload, raw = append(payload, rest[:size]...), rest[size+2:]
	}
}

// intact compares the payload with the CRC64NVME behind it, if there is one. Other checksums are
// not looked at.
func intact(payload, raw []byte) bool {
	_, trailer, ok := bytes.Cut(raw, []byte("x-amz-checksum-crc64nvme:"))
	if !ok {
		return true
	}
	want, _, _ := strings.Cut(string(trailer), "\r\n")
	sum := crc64nvme.New()
	_, _ = sum.Write(payload) // a hash takes everything
	return want == base64.StdEncoding.EncodeToString(sum.Sum(nil))
}
