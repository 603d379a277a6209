package report

import (
	"fmt"
	"io"
	"time"
)

// lineEvery is how often a line tells of progress: a log is neither silent nor flooded.
const lineEvery = 10 * time.Second

// lines tells people who read a log.
type lines struct {
	out    io.Writer
	verb   string
	report *Reporter
	told   time.Time
}

func newLines(out io.Writer, verb string, r *Reporter) *lines {
	return &lines{out: out, verb: verb, report: r, told: r.now()}
}

func (l *lines) expect() {}

func (l *lines) start(*Task) {}

func (l *lines) progress(*Task) {
	now := l.report.now()
	if now.Sub(l.told) < lineEvery {
		return
	}
	l.told = now
	t := l.report.total
	text := fmt.Sprintf("%d of %d files, %s", t.Done, t.Files, Size(t.Arrived))
	if t.Bytes > 0 {
		text += fmt.Sprintf(" of %s (%d%%)", Size(t.Bytes), 100*t.Arrived/t.Bytes)
	}
	if pace := l.report.pace(); pace != "" {
		text += ", " + pace
	}
	l.note(text)
}

func (l *lines) done(t *Task) { l.note(t.summary(l.verb)) }

func (l *lines) failed(t *Task, err error) {
	l.note("failed: " + Printable(t.Name) + ": " + Message(err))
}

func (l *lines) retry(path string, err error, wait time.Duration) {
	if l.report.mayTellRetry() {
		l.note(retryText(path, err, wait))
	}
}

func (l *lines) note(text string) { fmt.Fprintln(l.out, text) }

func (l *lines) finish() {
	for _, text := range l.report.endText(l.verb) {
		l.note(text)
	}
}

func (l *lines) abandon() {}

// summary is the line of a file that has arrived.
func (t *Task) summary(verb string) string {
	text := fmt.Sprintf("%s %s -> %s, %s", verb, Printable(t.Source), Printable(t.Destination), Size(t.Size))
	if t.remark != "" {
		return text + ", " + t.remark
	}
	if seconds := t.took.Seconds(); t.now.Moved > 0 && seconds > 0 {
		text += fmt.Sprintf(" in %s, %s/s", Duration(t.took), Size(int64(float64(t.now.Moved)/seconds)))
	}
	if t.now.Reused > 0 {
		text += ", of which " + Size(t.now.Reused) + " were there already"
	}
	return text
}

func retryText(path string, err error, wait time.Duration) string {
	return fmt.Sprintf("%s: %s; again in %s", Printable(path), Message(err), Duration(max(wait, time.Second)))
}

// endText is the list of failed files. A single file that has failed was told of already, and so
// was one that has arrived.
func (r *Reporter) endText(verb string) []string {
	t := r.total
	if t.Files < 2 {
		return nil
	}
	out := []string{fmt.Sprintf("%s %d of %d files, %s", verb, t.Done, t.Files, Size(t.Arrived))}
	if t.Failed == 0 {
		return out
	}
	out = append(out, fmt.Sprintf("%d failed:", t.Failed))
	for _, f := range r.failed {
		out = append(out, "  "+Printable(f.name)+": "+Message(f.err))
	}
	return out
}
