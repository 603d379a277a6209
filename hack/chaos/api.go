package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// How long a client tries.
const (
	requestTimeout = 80 * time.Second // with one request, all its tries together
	tryTimeout     = 65 * time.Second // longer than the operator lets a client wait for an assembly
)

// call is a request, as often as it takes.
type call struct {
	op, method, query string
	// fileslist asks for the parts instead of the file.
	fileslist bool
	header    map[string]string
	body      *content
	// cut has the client hang up after so many bytes of the body, 0 for never.
	cut int64
	// stall has the client pause in the middle of the body.
	stall time.Duration
}

// reply is how a call came out.
type reply struct {
	status int // of the last answer, 0 for none
	header http.Header
	body   string
	tries  int
	// began is when the first try was sent, tried when the last was, ended when that was over.
	began, tried, ended time.Time
	// lost are the times of the tries that had no answer that tells what became of them.
	lost []time.Time
	err  error
}

// unsure reports whether a try had no answer that tells what became of it.
func (r reply) unsure() bool { return len(r.lost) > 0 }

func (r reply) acked() bool   { return r.err == nil && r.status < 300 }
func (r reply) refused() bool { return r.err == nil && r.status >= 400 && !again(r.status) }

// outcome is what the client knows afterwards.
func (r reply) outcome() outcome {
	switch {
	case r.acked():
		return acked
	case r.refused() && !r.unsure():
		return refused
	default:
		return unknown
	}
}

// again reports whether a good client sends a request again that was answered so.
func again(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// caller is the HTTP side of one client.
type caller struct {
	name   string
	rng    *rand.Rand
	client *http.Client
	world  *world
}

func newCaller(w *world, name string, rng *rand.Rand) *caller {
	return &caller{name: name, rng: rng, world: w, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 20 * time.Second}}}
}

// dice is a number in [0, 1) of the client's own stream, and split a stream for something that it
// does beside others.
func (c *caller) dice() float64 { return c.rng.Float64() }

func (c *caller) split() *caller {
	other := *c
	other.rng = rand.New(rand.NewPCG(c.rng.Uint64(), c.rng.Uint64()))
	return &other
}

// do sends the request through any replica until one answers for good, or requestTimeout is over.
func (c *caller) do(ctx context.Context, f *file, what call) reply {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out := reply{began: time.Now()}
	for out.tries = 1; ; out.tries++ {
		replica := c.rng.IntN(replicas)
		out.tried = time.Now()
		c.try(ctx, f, replica, what, &out)
		out.ended = time.Now()
		f.note("%s %s try %d at %d: %s", c.name, what.op, out.tries, replica, summary(out))
		c.world.report.answered(what.op, out)
		if what.cut > 0 || (out.err == nil && !again(out.status)) {
			return out
		}
		if out.err != nil || out.status >= 500 {
			out.lost = append(out.lost, out.tried)
		}
		pause := time.Duration((0.1 + c.dice()) * float64(time.Second))
		if s, err := strconv.Atoi(out.header.Get("Retry-After")); err == nil {
			pause = min(time.Duration(s)*time.Second, 3*time.Second)
		}
		if sleep(ctx, pause) != nil {
			return out
		}
	}
}

// try sends it once.
func (c *caller) try(ctx context.Context, f *file, replica int, what call, out *reply) {
	// Some clients give up earlier than others.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second+time.Duration(c.dice()*float64(tryTimeout)))
	defer cancel()
	out.status, out.header, out.body, out.err = 0, nil, "", nil
	res, err := c.send(ctx, f, replica, what)
	if err != nil {
		out.err = err
		return
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	out.status, out.header, out.body, out.err = res.StatusCode, res.Header, string(text), err
}

func (c *caller) send(ctx context.Context, f *file, replica int, what call) (*http.Response, error) {
	kind := "files"
	if what.fileslist {
		kind = "fileslist"
	}
	url := c.world.replicas.url(replica) + "/api/iotfile/v3/" + kind + "/" + f.entity + "/" + f.path + what.query
	var body io.Reader
	if what.body != nil {
		body = what.body.reader()
		if what.stall > 0 {
			body = io.MultiReader(io.LimitReader(body, what.body.size/2), &pause{ctx, what.stall}, body)
		}
		if what.cut > 0 {
			body = &cutBody{ReadCloser: io.NopCloser(body), left: what.cut}
		}
	}
	req, err := http.NewRequestWithContext(ctx, what.method, url, body)
	if err != nil {
		return nil, err
	}
	if what.body != nil {
		req.ContentLength = what.body.size
	}
	for key, value := range what.header {
		req.Header.Set(key, value)
	}
	req.Header.Set("Authorization", "Bearer "+c.world.token)
	return c.client.Do(req)
}

// pause is a reader of nothing that takes its time.
type pause struct {
	ctx   context.Context
	lasts time.Duration
}

func (p *pause) Read([]byte) (int, error) {
	if err := sleep(p.ctx, p.lasts); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// summary is an answer in few words.
func summary(r reply) string {
	if r.err != nil {
		return class(r)
	}
	text := class(r)
	if etag := r.header.Get("ETag"); etag != "" {
		text += " ETag " + etag
	}
	if r.status >= 400 {
		text += " " + r.body
	}
	return text
}

// class is what the report counts the answer as.
func class(r reply) string {
	switch {
	case r.err == nil:
		return strconv.Itoa(r.status)
	case errors.Is(r.err, errCut):
		return "hung up"
	case errors.Is(r.err, context.DeadlineExceeded), errors.Is(r.err, context.Canceled):
		return "no answer in time"
	case errors.Is(r.err, syscall.ECONNREFUSED):
		return "connection refused"
	default:
		return "connection lost"
	}
}
