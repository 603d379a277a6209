package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// client sends requests to the REST API.
type client struct {
	http                    http.Client
	url, tokenFile, ifMatch string
	partSize                int64
	parallel                int
}

func newClient() (*client, error) {
	mib, err := positive("PART_MIB", "16")
	if err != nil {
		return nil, err
	}
	parallel, err := positive("PARALLEL", "4")
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 2 * time.Minute // the server answers within one, be it with "later"
	transport.MaxIdleConnsPerHost = parallel
	return &client{
		http:      http.Client{Transport: transport},
		url:       os.Getenv("IOTFILE_URL"),
		tokenFile: cmp.Or(os.Getenv("IOTFILE_TOKEN_FILE"), "/var/run/iotfile/token"),
		ifMatch:   os.Getenv("IF_MATCH"),
		partSize:  int64(mib) << 20, parallel: parallel,
	}, nil
}

func positive(variable, fallback string) (int, error) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv(variable), fallback))
	if err != nil || n < 1 {
		return 0, errors.New(variable + " must be a positive number")
	}
	return n, nil
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// refusal is what an answer says that is no success.
func (a *answer) refusal() error {
	if a.status < 300 {
		return nil
	}
	var e struct{ Message string }
	_ = json.Unmarshal(a.body, &e) // something in between may have answered, in another form
	return fmt.Errorf("%d: %s", a.status, cmp.Or(e.Message, string(a.body)))
}

// later reports whether the answer to an attempt, counted from 0, may be another one later.
func (a *answer) later(attempt int) bool {
	if a.status == http.StatusUnauthorized { // the token has ended meanwhile, and a new one is in the file, or soon will be
		return attempt <= 1
	}
	return slices.Contains([]int{408, 429, 502, 503, 504}, a.status)
}

// pause is how long the server wants a client to wait, or else fallback.
func (a *answer) pause(fallback time.Duration) time.Duration {
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil {
		return time.Duration(seconds) * time.Second
	}
	return fallback
}

// do sends a request until it gets an answer other than "later".
func (c *client) do(ctx context.Context, method, address string, body io.ReaderAt, size int64, header http.Header) (*answer, error) {
	for attempt := 0; ; attempt++ {
		a, err := c.once(ctx, method, address, body, size, header)
		pause := time.Second << min(attempt, 5)
		if err == nil {
			if !a.later(attempt) {
				return a, nil
			}
			pause, err = a.pause(pause), a.refusal()
		}
		if attempt == 9 || ctx.Err() != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%s %s: %v, again in %s\n", method, address, err, pause)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause + rand.N(time.Second)):
		}
	}
}

// once sends a request once, with size bytes of body from their beginning.
func (c *client) once(ctx context.Context, method, address string, body io.ReaderAt, size int64, header http.Header) (*answer, error) {
	token, err := os.ReadFile(c.tokenFile) // for each attempt: the kubelet replaces the token while this runs
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+address, nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if size > 0 {
		req.Body, req.ContentLength = io.NopCloser(io.NewSectionReader(body, 0, size)), size
		req.Header.Set("Expect", "100-continue") // what is refused is refused before the bytes are sent
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body) // errors and lists; never a file
	return &answer{res.StatusCode, res.Header, data}, err
}
