package s3

import (
	"errors"
	"hash"
	"io"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// errReleased is what the transport reads once the call that has the body is over.
var errReleased = errors.New("the caller has its body back")

// borrowedBody is a caller's body for the time of one call.
//
// net/http may go on reading a request's body after RoundTrip has returned, as when the backend
// answers early, and offers no way to wait for the end of it. Reads of the body therefore hold a
// lock: release waits for one in progress, and the later ones fail without touching the body.
// borrowedBody also remembers how the body failed, since minio-go and net/http wrap, replace or
// drop that error.
type borrowedBody struct {
	mu   sync.Mutex
	body io.Reader
	left int64
	err  error
}

func borrow(body io.Reader, size int64) *borrowedBody { return &borrowedBody{body: body, left: size} }

// Read implements io.Reader: it gives exactly the size that was announced, and an error, never a
// clean end, when the body has less.
func (l *borrowedBody) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return 0, l.err
	case l.left == 0:
		return 0, io.EOF
	case l.body == nil:
		return 0, errReleased
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.body.Read(p)
	if err != nil && err != io.EOF {
		// Bytes that come together with an error are not sent: they can be the last that a backend
		// waits for, and minio-go's signing forgets the error when it has got them all.
		l.err = err
		return 0, err
	}
	l.left -= int64(n)
	if err == io.EOF {
		err = nil
		if l.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	l.err = err
	return n, err
}

// Running implements filestore.Summing.
func (l *borrowedBody) Running(algorithm string) hash.Hash {
	return filestore.Running(l.body, algorithm)
}

// release takes the body back and returns the error that it had. It blocks while a Read of the body
// does. It is idempotent.
func (l *borrowedBody) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.body = nil
	return l.err
}
