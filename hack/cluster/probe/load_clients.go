package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/iotfile-operator/iotfile-operator/hack/cluster/loadlog"
)

const (
	// pace is the rest between two requests of a client: the load is to be there all the time, and
	// not to be all that the machine does.
	pace = 40 * time.Millisecond
	// timeout is for how long a request that failed is repeated.
	timeout = time.Minute
)

// client does the same again and again.
type client struct {
	ctx      context.Context // its life
	api      *api
	recorder *recorder
	name     string
}

func (c *client) repeat(live func(*client)) {
	for c.ctx.Err() == nil {
		live(c)
		c.rest(pace)
	}
}

func (c *client) rest(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}

// request is what is sent, and what is right as an answer.
type request struct {
	op, method, path string
	body             []byte
	header           []string
	status           int
	// again are further statuses that are right when the request is a repetition: the first one may
	// have been carried out.
	again []int
	want  []byte // the body, if there has to be one
	slow  time.Duration
}

// ask sends a request, records what comes of it, and repeats it if it must. It reports whether
// there was a right answer in the end. What is cut because the client ends counts for nothing.
func (c *client) ask(r request) bool {
	began := time.Now()
	res, err := c.send(r)
	if c.ctx.Err() != nil {
		return false
	}
	fault := r.judge(res, err)
	if fault == "" {
		took := time.Since(began)
		if r.slow > 0 {
			took = 0 // it is the client that takes its time
		}
		c.recorder.ok(r.op, took)
		c.rest(pace)
		return true
	}
	f := loadlog.Failure{Client: c.name, Op: r.op, Began: began, Text: fault}
	if res != nil {
		f.Status = res.status
	}
	var dial *net.OpError
	f.Refused = errors.As(err, &dial) && dial.Op == "dial"
	return c.again(r, c.recorder.failed(f))
}

func (c *client) again(r request, number int) bool {
	r.slow = 0
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); c.rest(10 * pace) {
		res, err := c.send(r)
		if c.ctx.Err() != nil {
			return false
		}
		if r.judge(res, err) == "" || err == nil && slices.Contains(r.again, res.status) {
			c.recorder.repeated(number, true)
			return true
		}
	}
	c.recorder.repeated(number, false)
	return false
}

// judge says what is wrong with an answer.
func (r *request) judge(res *answer, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case res.status != r.status:
		return string(res.body)
	case r.want != nil && !bytes.Equal(res.body, r.want):
		return "other bytes than were sent"
	}
	return ""
}

func (c *client) send(r request) (*answer, error) {
	if r.slow == 0 {
		return c.api.do(c.ctx, r.method, r.path, r.body, r.header...)
	}
	req, err := http.NewRequestWithContext(c.ctx, r.method, c.api.base+r.path, &slowBody{bytes.NewReader(r.body), r.slow / time.Duration(len(r.body))})
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(r.body))
	return c.api.send(req)
}

// slowBody gives its bytes over time. It cannot be rewound, so that nothing repeats it silently.
type slowBody struct {
	io.Reader
	perByte time.Duration
}

func (s *slowBody) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	time.Sleep(s.perByte * time.Duration(n))
	return n, err
}

// multipart uploads a file in two parts and a rest, reads it and deletes it.
func (c *client) multipart() {
	f := newFile("load.bin")
	whole := content(f.entity, 2*minPart+100)
	put := func(op, query string, body []byte, header ...string) bool {
		return c.ask(request{op: op, method: http.MethodPut, path: f.url(query), body: body, status: 201, header: header})
	}
	_ = put("start", "?upload=start", nil, "Idempotency-Key", f.entity) &&
		put("part", "?part=1", whole[:minPart]) &&
		put("part", "?part=2", whole[minPart:2*minPart]) &&
		put("complete", "?upload=complete", whole[2*minPart:]) &&
		c.ask(request{op: "read", method: http.MethodGet, path: f.url(""), status: 200, want: whole}) &&
		c.ask(request{op: "delete", method: http.MethodDelete, path: f.url(""), status: 204, again: []int{404}})
}

// small stores a file in one request, reads it and deletes it.
func (c *client) small() {
	f := newFile("small.bin")
	whole := content(f.entity, 32<<10)
	_ = c.ask(request{op: "put", method: http.MethodPut, path: f.url(""), body: whole, status: 201, again: []int{409}}) &&
		c.ask(request{op: "read", method: http.MethodGet, path: f.url(""), status: 200, want: whole}) &&
		c.ask(request{op: "delete", method: http.MethodDelete, path: f.url(""), status: 204, again: []int{404}})
}

// slow sends a part that takes seconds, so that there is always one in flight, and aborts.
func (c *client) slow() {
	const took = 6 * time.Second
	f := newFile("slow.bin")
	key := []string{"Idempotency-Key", f.entity} // the abort has to repeat it
	_ = c.ask(request{op: "start", method: http.MethodPut, path: f.url("?upload=start"), status: 201, header: key}) &&
		c.ask(request{op: "slow part", method: http.MethodPut, path: f.url("?part=1"), body: content(f.entity, minPart), status: 201, slow: took}) &&
		c.ask(request{op: "abort", method: http.MethodPut, path: f.url("?upload=abort"), status: 204, header: key, again: []int{404}})
}
