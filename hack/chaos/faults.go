package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The faults of HTTP, each a kind of event.
const (
	faultUnavailable = "503 before"      // refused with SlowDown, and not passed on
	faultError       = "500 before"      // refused with InternalError, and not passed on
	faultLie         = "500 after"       // done, and an error answered
	faultLost        = "answer lost"     // done, and the connection cut instead of an answer
	faultTwice       = "twice"           // done twice, and the second answer passed on
	faultTruncated   = "answer cut"      // done, and the answer cut in its body
	faultDelay       = "request delayed" // held up for seconds
	faultAnswerDelay = "answer delayed"  // done, and the answer held up for seconds
)

var httpFaults = []string{faultUnavailable, faultError, faultLie, faultLost, faultTwice, faultTruncated, faultDelay, faultAnswerDelay}

// errCut has the proxy cut the connection to whoever asked.
var errCut = errors.New("the fault proxy cuts the connection")

// faults harms the requests that a proxy passes on. Several faults can be on at once; the first
// that hits a request is it.
type faults struct {
	next  http.RoundTripper
	count func(kind string)

	mu  sync.Mutex
	rng *rand.Rand
	on  map[string]event // by the event's name
}

func newFaults(next http.RoundTripper, seed uint64, count func(string)) *faults {
	return &faults{next: next, count: count, rng: rand.New(rand.NewPCG(seed, 2)), on: map[string]event{}}
}

func (f *faults) harm(name string, e event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on[name] = e
}

func (f *faults) heal(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.on, name)
}

// draw decides what becomes of a request; dice is a number in [0, 1) for the details.
func (f *faults) draw() (kind string, dice float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.on {
		if f.rng.Float64() < e.share {
			f.count(e.kind)
			return e.kind, f.rng.Float64()
		}
	}
	return "", 0
}

// holdUp holds up, all the time and a little, one of two requests that make a file: between the
// look at what they replace and their arrival is where races are lost. The plan has no part in it.
func (f *faults) holdUp(req *http.Request) error {
	stores := req.Method == http.MethodPut && !req.URL.Query().Has("partNumber") && strings.HasPrefix(req.URL.Path, "/"+bucket+"/"+namespace+"/")
	if !stores && !assembles(req) {
		return nil
	}
	f.mu.Lock()
	slow, dice := f.rng.Float64() < 0.5, f.rng.Float64()
	f.mu.Unlock()
	if !slow {
		return nil
	}
	return sleep(req.Context(), time.Duration(dice*float64(500*time.Millisecond)))
}

// RoundTrip implements http.RoundTripper.
func (f *faults) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := f.holdUp(req); err != nil {
		return nil, err
	}
	kind, dice := f.draw()
	longest := 8 * time.Second
	switch kind {
	case faultUnavailable:
		return refusal(req, http.StatusServiceUnavailable, "SlowDown"), nil
	case faultError:
		return refusal(req, http.StatusInternalServerError, "InternalError"), nil
	case faultTwice:
		return f.twice(req)
	case faultDelay:
		if err := sleep(req.Context(), time.Duration(dice*float64(longest))); err != nil {
			return nil, err
		}
	}
	res, err := f.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch kind {
	case faultLie:
		drop(res)
		return refusal(req, http.StatusInternalServerError, "InternalError"), nil
	case faultLost:
		drop(res)
		return nil, errCut
	case faultTruncated:
		res.Body = &cutBody{ReadCloser: res.Body, left: int64(dice * float64(min(max(res.ContentLength, 200), 1<<20)))}
	case faultAnswerDelay:
		if err := sleep(req.Context(), time.Duration(dice*float64(longest))); err != nil {
			drop(res)
			return nil, err
		}
	}
	return res, nil
}

// twice delivers a request two times, as a proxy does that has lost the first answer.
func (f *faults) twice(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	res, err := f.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	drop(res)
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return f.next.RoundTrip(again)
}

// drop ends an answer that nobody gets. It waits for its end, where that is near: the work behind
// it is done then.
func drop(res *http.Response) {
	if res.ContentLength >= 0 {
		_, _ = io.CopyN(io.Discard, res.Body, 1<<20)
	}
	_ = res.Body.Close()
}

// cutBody ends with an error after so many bytes.
type cutBody struct {
	io.ReadCloser
	left int64
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errCut
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// refusal is an error as the server would send it: the API server's in JSON, the object store's in
// XML.
func refusal(req *http.Request, status int, code string) *http.Response {
	kind, body := "application/xml", `<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+`</Code><Message>Please reduce your request rate.</Message></Error>`
	if strings.HasPrefix(req.URL.Path, "/api/") || strings.HasPrefix(req.URL.Path, "/apis/") {
		reason := map[int]string{http.StatusServiceUnavailable: "ServiceUnavailable", http.StatusInternalServerError: "InternalError"}[status]
		kind, body = "application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"`+reason+`","code":`+map[int]string{503: "503", 500: "500"}[status]+`}`
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {kind}}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}
