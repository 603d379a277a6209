package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// Names of what is told of bodies that take their time.
const (
	checkPause = "pause"
	checkSlow  = "slow body"
)

const (
	// slowSize is the least that a part has.
	slowSize = 5 << 20
	// slowStep is how often bytes of a slow body are sent.
	slowStep = 250 * time.Millisecond
	// MaxProbeTime is how long a body may pause: the REST API waits for a minute, and no longer.
	MaxProbeTime = 55 * time.Second
)

// patience sends, at once, a part that comes slowly and one that pauses in its middle. They find
// the limits of hops on the time of a request, and on silence in it.
func patience(ctx context.Context, e *examination) []Finding {
	switch {
	case e.probe == nil:
		return unknown(e.noProbe, checkPause, checkSlow)
	case e.ProbeTime == 0:
		return unknown("--probe-time 0 leaves it out", checkPause, checkSlow)
	}
	bodies := []struct {
		check, what string
		reader      io.Reader
	}{
		{checkPause, "pauses for", &pausing{ctx: ctx, left: slowSize, half: slowSize / 2, pause: e.ProbeTime}},
		{checkSlow, "takes", &trickle{ctx: ctx, over: e.ProbeTime}},
	}
	found := make([][]Finding, len(bodies))
	var wait sync.WaitGroup
	for i, b := range bodies {
		wait.Go(func() {
			began := time.Now()
			path := fmt.Sprintf("%s?part=%d", e.probe.path, 2+i)
			answer, err := e.server.Ask(ctx, http.MethodPut, path, nil, b.reader, slowSize)
			found[i] = e.slowFindings(b.check, "a part of "+report.Size(slowSize)+" that "+b.what+" "+e.ProbeTime.String(), answer, err, time.Since(began))
		})
	}
	wait.Wait()
	return append(found[0], found[1]...)
}

// slowFindings reads the answer to a part that took its time.
func (e *examination) slowFindings(check, what string, answer *connection.Answer, err error, took time.Duration) []Finding {
	took = took.Round(100 * time.Millisecond)
	if err != nil {
		return one(check, Failure, e.cutBy(fmt.Sprintf("%s was cut after %s: %s", what, took, err)), timeRemedy(""))
	}
	switch {
	case answer.Status/100 == 2:
		return one(check, OK, what+" gets through; more was not tried (--probe-time)", "")
	case answer.FromAPI():
		return unknown(fmt.Sprintf("the REST API answers %d after %s: %s", answer.Status, took, oneLine(answer.Message())), check)
	case answer.Status == http.StatusRequestEntityTooLarge:
		return unknown(fmt.Sprintf("%s answers 413", answer.By()), check)
	}
	return one(check, Failure, fmt.Sprintf("%s answers %d after %s to %s", answer.By(), answer.Status, took, what), timeRemedy(answer.Forwarder()))
}

// timeRemedy names the settings of a forwarder that limit time.
func timeRemedy(forwarder string) string {
	const page = ": docs/faq.md#ingress-and-gateways"
	switch forwarder {
	case connection.HAProxy:
		return "raise timeout client, timeout server and timeout http-request there" + page
	case connection.Nginx:
		return "raise client_body_timeout, proxy_send_timeout and proxy_read_timeout there" + page
	}
	return "raise that hop's time limits for requests, bodies and silence (nginx: client_body_timeout)" + page
}

// pausing is a body of zeros with a pause in it.
type pausing struct {
	ctx        context.Context
	left, half int
	pause      time.Duration
}

// Read implements io.Reader.
func (p *pausing) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	if p.left == p.half {
		if err := pauseFor(p.ctx, p.pause); err != nil {
			return 0, err
		}
	}
	until := p.left
	if p.left > p.half {
		until -= p.half
	}
	n := min(len(b), until)
	clear(b[:n])
	p.left -= n
	return n, nil
}

// trickle is a body of zeros that comes evenly over a time.
type trickle struct {
	ctx   context.Context
	over  time.Duration
	began time.Time
	sent  int64
}

// Read implements io.Reader.
func (s *trickle) Read(b []byte) (int, error) {
	if s.sent == slowSize {
		return 0, io.EOF
	}
	if s.began.IsZero() {
		s.began = time.Now()
	}
	due := s.due()
	for ; due == 0; due = s.due() {
		if err := pauseFor(s.ctx, slowStep); err != nil {
			return 0, err
		}
	}
	n := int(min(int64(len(b)), due))
	clear(b[:n])
	s.sent += int64(n)
	return n, nil
}

// due is how many bytes more are to have been sent by now.
func (s *trickle) due() int64 {
	return int64(slowSize*min(time.Since(s.began), s.over)/s.over) - s.sent
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
