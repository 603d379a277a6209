package report

import (
	"encoding/json"
	"io"
	"time"
)

// progressEvery is how often a program is told of the progress of a file.
const progressEvery = time.Second

// Event is one line of what programs are told. Fields that say nothing are left out.
type Event struct {
	// Event is start, progress, retry, done, failed, note, or summary, which is the last.
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	// Source and Destination are where a file comes from and goes to.
	Source      string `json:"source,omitempty"`
	Destination string `json:"destination,omitempty"`
	// Size, Done, Reused and Moved are in bytes: of the file, at the other end, there from an
	// earlier run, over the network. Size is absent while it is not known.
	Size   *int64 `json:"size,omitempty"`
	Done   *int64 `json:"done,omitempty"`
	Reused *int64 `json:"reused,omitempty"`
	Moved  *int64 `json:"moved,omitempty"`
	// BytesPerSecond is the rate of the last ten seconds.
	BytesPerSecond *int64 `json:"bytesPerSecond,omitempty"`
	// Version and Checksum are those of the file that has arrived.
	Version  *int64 `json:"version,omitempty"`
	Checksum string `json:"checksum,omitempty"`
	// Message says why something failed, or what was particular.
	Message string `json:"message,omitempty"`
	// Wait is how many seconds pass before the next attempt.
	Wait float64 `json:"wait,omitempty"`
	// Files and FailedFiles are of the summary: how many there were, and which have failed.
	Files       *int          `json:"files,omitempty"`
	FailedFiles []EventFailed `json:"failedFiles,omitempty"`
}

// EventFailed is a file that has failed.
type EventFailed struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// events tells programs.
type events struct {
	out    *json.Encoder
	report *Reporter
}

func newEvents(out io.Writer, r *Reporter) *events {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return &events{encoder, r}
}

func (e *events) write(event Event) {
	event.Time = e.report.now().UTC()
	_ = e.out.Encode(event) // whoever has closed the pipe wants no more
}

// of begins an event of a file.
func of(name string, t *Task) Event {
	event := Event{Event: name, Source: t.Source, Destination: t.Destination}
	if t.Size >= 0 {
		event.Size = &t.Size
	}
	return event
}

func (e *events) expect() {}

func (e *events) start(t *Task) { e.write(of("start", t)) }

func (e *events) progress(t *Task) {
	now := e.report.now()
	if now.Sub(t.told) < progressEvery {
		return
	}
	t.told = now
	event := of("progress", t)
	event.Done, event.Reused, event.Moved = &t.now.Done, &t.now.Reused, &t.now.Moved
	event.BytesPerSecond = new(int64(t.rate.PerSecond()))
	e.write(event)
}

func (e *events) done(t *Task) {
	event := of("done", t)
	event.Done, event.Reused, event.Moved = &t.now.Done, &t.now.Reused, &t.now.Moved
	event.Message = t.remark
	if t.file != nil {
		event.Version, event.Checksum = &t.file.Version, t.file.Checksum
	}
	e.write(event)
}

func (e *events) failed(t *Task, err error) {
	event := of("failed", t)
	event.Message = err.Error()
	e.write(event)
}

func (e *events) retry(path string, err error, wait time.Duration) {
	e.write(Event{Event: "retry", Destination: path, Message: err.Error(), Wait: wait.Seconds()})
}

func (e *events) note(text string) { e.write(Event{Event: "note", Message: text}) }

func (e *events) finish() {
	t := e.report.total
	event := Event{Event: "summary", Files: &t.Files, Done: &t.Arrived, Moved: &t.Moved, Size: &t.Bytes}
	for _, f := range e.report.failed {
		event.FailedFiles = append(event.FailedFiles, EventFailed{f.name, f.err.Error()})
	}
	e.write(event)
}

func (e *events) abandon() {}
