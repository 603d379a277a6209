package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// report counts what happens, and keeps what must not.
type report struct {
	log io.Writer // everything
	out io.Writer // what people watch

	mu      sync.Mutex
	began   time.Time
	events  map[string]int            // by kind
	hit     map[string]int            // requests that a fault of HTTP has hit, by kind
	answers map[string]map[string]int // by operation and class
	counts  map[string]int
	public  struct {
		uploads, lost int
		longest       time.Duration
	}
	// operations are those that the checker has put in order, or failed to; unanswered how
	// many of them nobody has answered.
	operations, unanswered int
	violations             []string
}

func newReport(log, out io.Writer) *report {
	return &report{
		log: log, out: out, began: time.Now(),
		events: map[string]int{}, hit: map[string]int{}, answers: map[string]map[string]int{}, counts: map[string]int{},
	}
}

// say tells both the log and the people.
func (r *report) say(format string, args ...any) {
	line := fmt.Sprintf("%s %7.1fs ", time.Now().Format("15:04:05"), time.Since(r.began).Seconds()) + fmt.Sprintf(format, args...) + "\n"
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprint(r.log, line)
	fmt.Fprint(r.out, line)
}

func (r *report) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

func (r *report) event(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events[kind]++
}

func (r *report) fault(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hit[kind]++
}

// uploaded counts an upload of the public client.
func (r *report) uploaded(good bool, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.public.uploads++
	if !good {
		r.public.lost++
	}
	r.public.longest = max(r.public.longest, took)
}

func (r *report) answered(op string, a reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers[op] == nil {
		r.answers[op] = map[string]int{}
	}
	r.answers[op][class(a)]++
}

func (r *report) acknowledged(a *attempt) {
	switch {
	case a.deletion:
		r.count("deletions")
	case len(a.pieces) == 1 && !a.multipart:
		r.count("files in one request")
	default:
		r.count("completions")
	}
}

// violation records what must not be, with all that is known of it.
func (r *report) violation(text string) {
	r.say("VIOLATION: %s", text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, text)
}

// checked counts the operations of a file.
func (r *report) checked(operations []operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operations += len(operations)
	for _, o := range operations {
		if o.lost() {
			r.unanswered++
		}
	}
}

// table is the summary at the end.
func (r *report) table(title string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	row := func(what string, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "\n| chaos | %s |\n|---|---|\n", title)
	row("minutes", "%.1f", time.Since(r.began).Minutes())
	row("faults", "%s", list(r.events))
	row("requests hit by faults of HTTP", "%s", list(r.hit))
	for _, op := range slices.Sorted(maps.Keys(r.answers)) {
		row("answers to "+op, "%s", list(r.answers[op]))
	}
	row("acknowledged", "%s", list(r.counts))
	row("operations checked", "%d, of them %d without an answer", r.operations, r.unanswered)
	row("public client", "%d uploads, %d lost; the longest took %s", r.public.uploads, r.public.lost, r.public.longest)
	row("violations", "%d", len(r.violations))
	return b.String()
}

// list is "a 1, b 2".
func list(counts map[string]int) string {
	items := make([]string, 0, len(counts))
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		items = append(items, fmt.Sprintf("%s %d", key, counts[key]))
	}
	return strings.Join(items, ", ")
}
