package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/hack/cluster/loadlog"
)

// loadPod is the name of the pod that makes the load.
const loadPod = "probe-load"

// load is what the pod that makes it has told so far.
type load struct {
	mu          sync.Mutex
	ticks       []loadlog.Line
	failures    []loadlog.Line
	repetitions map[int]bool
	err         error // why nothing more will come
	killedAt    time.Time
	stop        context.CancelFunc
}

// figure is a line of the table of what the load has seen.
type figure struct {
	what                                      string
	requests, failed, inFlight, refused, lost int
	slowest                                   time.Duration
}

// startLoad starts the pod and returns when requests are answered.
func (s *suite) startLoad(ctx context.Context) (string, error) {
	pods := s.client.CoreV1().Pods(teamNamespace)
	if _, err := pods.Create(ctx, s.probePod(teamNamespace, loadPod, "load"), metav1.CreateOptions{}); err != nil {
		return "", err
	}
	err := eventually(ctx, "the load runs", func(ctx context.Context) error {
		pod, err := pods.Get(ctx, loadPod, metav1.GetOptions{})
		if err == nil && pod.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("it is %s: %s", pod.Status.Phase, waiting(pod))
		}
		return err
	})
	if err != nil {
		return "", err
	}
	follow, stop := context.WithCancel(ctx)
	stream, err := pods.GetLogs(loadPod, &corev1.PodLogOptions{Follow: true}).Stream(follow)
	if err != nil {
		stop()
		return "", err
	}
	s.load = &load{repetitions: map[int]bool{}, stop: stop}
	go func() {
		defer func() { _ = stream.Close() }()
		s.load.follow(bufio.NewScanner(stream))
	}()
	return "five clients", eventually(ctx, "requests are answered", func(context.Context) error {
		f := s.load.between("", time.Time{}, time.Now())
		if f.requests == 0 {
			return errors.New("none yet")
		}
		return nil
	})
}

func (l *load) follow(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line loadlog.Line
		err := json.Unmarshal(lines.Bytes(), &line)
		l.mu.Lock()
		switch {
		case err != nil:
			l.err = fmt.Errorf("the load says: %s", lines.Text())
		case line.Tick != nil:
			l.ticks = append(l.ticks, line)
		case line.Failure != nil:
			l.failures = append(l.failures, line)
		case line.Repetition != nil:
			l.repetitions[line.Repetition.Number] = line.Repetition.OK
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, lines.Err(), errors.New("the load has ended"))
}

// killed says when a pod was killed, until when requests on their way to it may fail.
func (l *load) killed(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killedAt = at
}

// between counts what was told in that time.
func (l *load) between(what string, from, to time.Time) figure {
	l.mu.Lock()
	defer l.mu.Unlock()
	within := func(t time.Time) bool { return !t.Before(from) && t.Before(to) }
	f := figure{what: what}
	for _, line := range l.ticks {
		if within(line.Time) {
			for _, n := range line.Tick.Counts {
				f.requests += n
			}
			f.slowest = max(f.slowest, line.Tick.Slowest)
		}
	}
	for _, line := range l.failures {
		if within(line.Time) {
			l.countFailure(&f, line.Failure)
		}
	}
	return f
}

// countFailure adds a request that has failed, with what became of it. The caller holds mu.
func (l *load) countFailure(f *figure, failure *loadlog.Failure) {
	f.requests++
	f.failed++
	if failure.Refused {
		f.refused++
	} else if l.wasInFlight(failure) {
		f.inFlight++
	}
	if ok, known := l.repetitions[failure.Number]; known && !ok {
		f.lost++
	}
}

// wasInFlight reports whether a request was on its way when a pod was killed, and ended without an
// answer.
func (l *load) wasInFlight(f *loadlog.Failure) bool {
	return f.Status == 0 && !l.killedAt.IsZero() && f.Began.Before(l.killedAt)
}

// rest waits until what happens up to now has been told, repetitions of what has failed included.
func (l *load) rest(ctx context.Context) error {
	now := time.Now()
	return eventually(ctx, "the load tells what has happened", func(context.Context) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.err != nil {
			return l.err
		}
		if len(l.ticks) == 0 || l.ticks[len(l.ticks)-1].Time.Before(now.Add(2*time.Second)) {
			return errors.New("nothing yet")
		}
		for _, line := range l.failures {
			if _, known := l.repetitions[line.Failure.Number]; !known {
				return fmt.Errorf("%s is being repeated", line.Failure.Op)
			}
		}
		return nil
	})
}

// failuresSince quotes failures.
func (l *load) failuresSince(from time.Time) string {
	const most = 20
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, line := range l.failures {
		if f := line.Failure; !line.Time.Before(from) && len(lines) < most {
			lines = append(lines, fmt.Sprintf("  %s %s of %s, begun %s, status %d: %s", line.Time.Format("15:04:05.000"), f.Op, f.Client, f.Began.Format("05.000"), f.Status, f.Text))
		}
	}
	return strings.Join(lines, "\n")
}

// underLoad does something while the load is on, and judges what the load has seen. No request may
// fail, not even one that a repetition would have helped. Where a pod was killed, those may that
// were on their way to it, and those that found nobody at its address until the cluster knew; but
// not when they are repeated.
func (s *suite) underLoad(ctx context.Context, what string, do func(context.Context) (string, error)) (string, error) {
	const fewest = 20
	s.load.killed(time.Time{})
	began := time.Now()
	result, err := do(ctx)
	if err := errors.Join(err, s.load.rest(ctx)); err != nil {
		return "", fmt.Errorf("%w; failed requests:\n%s", err, s.load.failuresSince(began))
	}
	f := s.load.between(what, began, time.Now())
	s.figures = append(s.figures, f)
	excused := 0
	s.load.mu.Lock()
	if !s.load.killedAt.IsZero() {
		excused = f.inFlight + f.refused
	}
	s.load.mu.Unlock()
	if f.failed > excused || f.lost > 0 {
		return "", fmt.Errorf("%d of %d requests failed, %d of them when they were repeated, too:\n%s", f.failed, f.requests, f.lost, s.load.failuresSince(began))
	}
	if f.requests < fewest {
		return "", fmt.Errorf("there were %d requests only", f.requests)
	}
	return fmt.Sprintf("%s; %d requests, %d failed", result, f.requests, f.failed), nil
}

// endLoad takes the pod away and counts once more over everything.
func (s *suite) endLoad(ctx context.Context) (string, error) {
	if err := s.load.rest(ctx); err != nil {
		return "", err
	}
	f := s.load.between("", time.Time{}, time.Now())
	s.load.stop()
	s.load = nil
	if err := s.client.CoreV1().Pods(teamNamespace).Delete(ctx, loadPod, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(5))}); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d requests in all", f.requests), s.podGone(ctx, teamNamespace, loadPod)
}
