package report

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// Reporter tells of the transfer of several files. Its methods are called by several goroutines.
type Reporter struct {
	way     way
	now     func() time.Time
	mu      sync.Mutex
	total   Totals
	failed  []failure
	rate    Rate
	retried time.Time
}

// Totals are the sums over all files.
type Totals struct {
	// Files is how many there are, Done how many have arrived, Failed how many have not and will
	// not.
	Files, Done, Failed int
	// Bytes is the size of all whose size is known, Arrived what of it is at the other end, Moved
	// what has gone over the network.
	Bytes, Arrived, Moved int64
}

type failure struct {
	name string
	err  error
}

// way is one of the ways to tell. Its methods are called by one goroutine at a time.
type way interface {
	// expect: the sums are known now.
	expect()
	start(t *Task)
	progress(t *Task)
	done(t *Task)
	failed(t *Task, err error)
	retry(path string, err error, wait time.Duration)
	note(text string)
	// finish or abandon is the last call.
	finish()
	abandon()
}

// Options say how is told.
type Options struct {
	// JSON has events written to Out, one a line. Else people are told on Err.
	JSON bool
	// Out and Err are where to.
	Out, Err io.Writer
	// Verb is what was done with a file, in the past, such as "sent".
	Verb string
	// Files and Bytes are what there is to do; Bytes leaves out what has no known size.
	Files int
	Bytes int64
}

// New makes the Reporter that fits: bars where Err is a terminal. Finish must be called.
func New(o Options) *Reporter {
	r := &Reporter{now: time.Now, total: Totals{Files: o.Files, Bytes: o.Bytes}}
	switch {
	case o.JSON:
		r.way = newEvents(o.Out, r)
	case IsTerminal(o.Err) && os.Getenv("TERM") != "dumb":
		r.way = newBars(o.Err, o.Verb, r)
	default:
		r.way = newLines(o.Err, o.Verb, r)
	}
	return r
}

// IsTerminal reports whether people see at once what is written to w.
func IsTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Task is the transfer of one file.
type Task struct {
	// Name is what people know the file by, Source and Destination are where from and where to.
	Name, Source, Destination string
	// Size is in bytes, -1 where it is not known yet.
	Size int64

	report *Reporter
	now    iotfile.Progress
	rate   Rate
	began  time.Time
	took   time.Duration
	remark string
	file   *iotfile.File
	bar    *bar
	told   time.Time
}

// Start begins a file. Done or Failed must be called on what it returns, unless the whole was
// interrupted.
func (r *Reporter) Start(name, source, destination string, size int64) *Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &Task{Name: name, Source: source, Destination: destination, Size: size, report: r, began: r.now()}
	r.way.start(t)
	return t
}

// Progress is a callback of the client.
func (t *Task) Progress(p iotfile.Progress) {
	r := t.report
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.Size < 0 && p.Total >= 0 {
		t.Size = p.Total
		r.total.Bytes += p.Total
	}
	r.total.Arrived += p.Done - t.now.Done
	r.total.Moved += p.Moved - t.now.Moved
	t.now = p
	now := r.now()
	t.rate.Add(now, p.Moved)
	r.rate.Add(now, r.total.Moved)
	r.way.progress(t)
}

// Done ends a file that has arrived. remark, if not "", says what was particular.
func (t *Task) Done(file *iotfile.File, remark string) {
	r := t.report
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.Size < 0 {
		t.Size = file.Size
		r.total.Bytes += file.Size
	}
	r.total.Done++
	r.total.Arrived += t.Size - t.now.Done
	t.now.Done, t.file, t.remark, t.took = t.Size, file, remark, r.now().Sub(t.began)
	r.way.done(t)
}

// Failed ends a file that has not arrived.
func (t *Task) Failed(err error) {
	r := t.report
	r.mu.Lock()
	defer r.mu.Unlock()
	t.took = r.now().Sub(t.began)
	r.fail(t.Name, err)
	r.way.failed(t, err)
}

// Refused counts a file that has failed before it was begun.
func (r *Reporter) Refused(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail(name, err)
	r.way.failed(&Task{Name: name, Source: name, Size: -1, report: r}, err)
}

func (r *Reporter) fail(name string, err error) {
	r.total.Failed++
	r.failed = append(r.failed, failure{name, err})
}

// retryEvery is how often people are told that something is tried again.
const retryEvery = 5 * time.Second

// Attempt is a callback of the client.
func (r *Reporter) Attempt(a iotfile.Attempt) {
	if a.Wait == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.way.retry(a.Path, a.Err, a.Wait)
}

// Expect says how much there is to do, where that was not known at the beginning. It is called
// before the first file.
func (r *Reporter) Expect(files int, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.Files, r.total.Bytes = files, bytes
	r.way.expect()
}

// Note tells people something.
func (r *Reporter) Note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.way.note(fmt.Sprintf(format, args...))
}

// Finish ends the report with the list of what has failed, and returns the sums.
func (r *Reporter) Finish() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.way.finish()
	return r.total
}

// mayTellRetry reports whether people were not told of another attempt a moment before.
func (r *Reporter) mayTellRetry() bool {
	now := r.now()
	if now.Sub(r.retried) < retryEvery {
		return false
	}
	r.retried = now
	return true
}

// pace is the rate of all files and the time left.
func (r *Reporter) pace() string { return Pace(r.total.Bytes-r.total.Arrived, r.rate.PerSecond()) }

// Abandon ends a report of which nothing has come.
func (r *Reporter) Abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.way.abandon()
}
