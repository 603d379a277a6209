package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/hack/cluster/loadlog"
)

// TestUnderLoad judges what a load may have told: the judge must be able to find fault.
func TestUnderLoad(t *testing.T) {
	const number = 7
	failure := func(began time.Duration, status int, refused bool) func(now time.Time) loadlog.Failure {
		return func(now time.Time) loadlog.Failure {
			return loadlog.Failure{Number: number, Op: "part", Began: now.Add(began), Status: status, Refused: refused, Text: "some fault"}
		}
	}
	for name, test := range map[string]struct {
		requests int
		failure  func(now time.Time) loadlog.Failure
		killed   bool
		lost     bool
		fault    string
	}{
		"nothing fails": {requests: 100},
		"nothing fails, because there was nothing":       {requests: 3, fault: "3 requests only"},
		"a request fails":                                {requests: 100, failure: failure(0, 503, false), fault: "1 of 101 requests failed"},
		"a connection is refused, and nobody was killed": {requests: 100, failure: failure(0, 0, true), fault: "1 of 101 requests failed"},
		"a connection is cut, and nobody was killed":     {requests: 100, failure: failure(-time.Hour, 0, false), fault: "1 of 101 requests failed"},
		"it was on its way to the killed pod":            {requests: 100, failure: failure(-time.Hour, 0, false), killed: true},
		"it was sent later":                              {requests: 100, failure: failure(time.Hour, 0, false), killed: true, fault: "1 of 101 requests failed"},
		"it was on its way, and answered":                {requests: 100, failure: failure(-time.Hour, 500, false), killed: true, fault: "1 of 101 requests failed"},
		"nobody was at the killed pod's address":         {requests: 100, failure: failure(time.Hour, 0, true), killed: true},
		"it was on its way, and is lost":                 {requests: 100, failure: failure(-time.Hour, 0, false), killed: true, lost: true, fault: "1 of them when they were repeated"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{report: newReport(t.Output()), load: &load{repetitions: map[int]bool{}}}
			_, err := s.underLoad(t.Context(), "test", func(context.Context) (string, error) {
				now := time.Now()
				if test.killed {
					s.load.killed(now)
				}
				lines := []loadlog.Line{{Time: now, Tick: &loadlog.Tick{Counts: map[string]int{"part": test.requests}}}}
				if test.failure != nil {
					f := test.failure(now)
					lines = append(lines, loadlog.Line{Time: now, Failure: &f}, loadlog.Line{Time: now, Repetition: &loadlog.Repetition{Number: number, OK: !test.lost}})
				}
				// The last word, so that nothing is waited for.
				lines = append(lines, loadlog.Line{Time: now.Add(time.Hour), Tick: &loadlog.Tick{}})
				s.load.follow(bufio.NewScanner(strings.NewReader(text(t, lines))))
				s.load.err = nil // that the text has an end
				return "", nil
			})
			if test.fault == "" && err != nil || test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)) {
				t.Errorf("the judgement is %v, not %q", err, test.fault)
			}
		})
	}
}

// TestLoadThatEnds: a load that is gone has seen nothing, whatever it has told before.
func TestLoadThatEnds(t *testing.T) {
	s := &suite{report: newReport(t.Output()), load: &load{repetitions: map[int]bool{}}}
	s.load.follow(bufio.NewScanner(strings.NewReader(text(t, []loadlog.Line{{Time: time.Now(), Tick: &loadlog.Tick{Counts: map[string]int{"part": 100}}}}))))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("waited in vain"))
	if _, err := s.underLoad(ctx, "test", func(context.Context) (string, error) { return "", nil }); err == nil || !strings.Contains(err.Error(), "the load has ended") {
		t.Errorf("the judgement is %v", err)
	}
}

func text(t *testing.T, lines []loadlog.Line) string {
	t.Helper()
	var out strings.Builder
	for _, line := range lines {
		if err := json.NewEncoder(&out).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}
