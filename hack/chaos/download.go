package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// download reads a file once. seen is false if the answer tells nothing: an error of the server's,
// or a body that was cut. err is a violation.
func (c *caller) download(ctx context.Context, f *file) (a *attempt, seen bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	replica := c.rng.IntN(replicas)
	asked := time.Now()
	res, err := c.send(ctx, f, replica, call{op: "get", method: http.MethodGet})
	out := reply{err: err, ended: time.Now()}
	if err == nil {
		defer func() { _ = res.Body.Close() }()
		out.status, out.header = res.StatusCode, res.Header
	}
	c.world.report.answered("get", out)
	f.note("%s get at %d: %s %s", c.name, replica, summary(out), out.header.Get("description"))
	switch {
	case out.err == nil && out.status == http.StatusNotFound:
		f.record(operation{kind: opRead, who: c.name, call: asked, end: out.ended})
		return nil, true, nil
	case out.err != nil || again(out.status):
		return nil, false, nil
	case out.status != http.StatusOK:
		return nil, true, fmt.Errorf("a file that is there, or is not, was answered with %s", summary(out))
	}
	if a = f.find(out.header.Get("description")); a == nil {
		return nil, true, fmt.Errorf("the file is of an attempt %q that nobody has made", out.header.Get("description"))
	}
	if etag := out.header.Get("ETag"); etag != strconv.FormatInt(a.version(), 10) {
		return a, true, fmt.Errorf("%s was read with ETag %q", describe(a), etag)
	}
	f.record(operation{kind: opRead, who: c.name, attempt: a, call: asked, end: out.ended})
	body := &watched{reader: res.Body}
	err = f.compare(a, body)
	if body.broken {
		f.note("%s get: the body was cut", c.name)
		return nil, false, nil
	}
	return a, true, err
}

// watched remembers whether a body ended in an error of the connection: then a client knows that it
// does not have the file.
type watched struct {
	reader io.Reader
	broken bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		w.broken = true
	}
	return n, err
}
