package report

import (
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars tells people on a terminal: a bar for each file that is on its way, one for all of them, and
// above them a line for each one that has ended.
type bars struct {
	lines
	container *mpb.Progress
	// refresh has the container draw. ended is closed when it does so no more.
	refresh  chan any
	ended    chan any
	stop     chan struct{}
	stopped  chan struct{}
	total    *bar
	terminal io.Writer
}

// bar is one bar. What stands beside it is changed here and drawn by the container's goroutine.
type bar struct {
	*mpb.Bar
	text atomic.Pointer[string]
}

// drawEvery is how often is drawn.
const drawEvery = 150 * time.Millisecond

func newBars(out io.Writer, verb string, r *Reporter) *bars {
	b := &bars{terminal: out, refresh: make(chan any), ended: make(chan any), stop: make(chan struct{}), stopped: make(chan struct{})}
	// Drawn by hand, because the container's own clock loses lines that were written after its last
	// tick.
	b.container = mpb.New(mpb.WithOutput(out), mpb.WithManualRefresh(b.refresh), mpb.WithShutdownNotifier(b.ended))
	b.lines = lines{out: b.container, verb: verb, report: r}
	go b.run()
	b.expect()
	return b
}

// run draws until stop.
func (b *bars) run() {
	defer close(b.stopped)
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-ticker.C:
			b.draw()
		}
	}
}

// draw has the container draw, and returns when it is about to. The container takes the cursor for
// where it has left it, and a terminal echoes ^C there.
func (b *bars) draw() {
	fmt.Fprint(b.terminal, "\r")
	select {
	case b.refresh <- time.Now():
	case <-b.ended: // the terminal is gone
	}
}

// end draws what is left, and takes the bars away.
func (b *bars) end() {
	close(b.stop)
	<-b.stopped
	for range 3 { // the third is taken when the first was drawn
		b.draw()
	}
	b.container.Shutdown()
}

// expect adds the bar of all files, below those of each.
func (b *bars) expect() {
	if t := b.report.total; t.Files > 1 {
		b.total = b.add(fmt.Sprintf("all %d files", t.Files), t.Bytes, math.MaxInt32)
	}
}

// add adds a bar. The total is completed by hand, since bytes can be sent again.
func (b *bars) add(name string, size int64, priority int) *bar {
	out := &bar{}
	out.text.Store(new(""))
	out.Bar = b.container.New(0, mpb.BarStyle(), mpb.BarPriority(priority), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(cutLeft(Printable(name), 30), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), decor.Any(func(decor.Statistics) string { return " " + *out.text.Load() })),
	)
	out.SetTotal(max(size, 0), false)
	return out
}

// set changes what a bar shows.
func (b *bar) set(done, size int64, perSecond float64) {
	text := Size(done)
	if size >= 0 {
		b.SetTotal(size, false)
		text += " of " + Size(size)
	}
	if pace := Pace(size-done, perSecond); pace != "" {
		text += ", " + pace
	}
	b.text.Store(&text)
	b.SetCurrent(done)
}

func (b *bars) start(t *Task) { t.bar = b.add(t.Name, t.Size, 0) }

func (b *bars) progress(t *Task) {
	// Between two parts that have arrived the bar shows what is on its way.
	done := t.now.Reused + t.now.Moved
	if t.Size >= 0 {
		done = min(done, t.Size)
	}
	t.bar.set(max(done, t.now.Done), t.Size, t.rate.PerSecond())
	b.refreshTotal()
}

func (b *bars) refreshTotal() {
	if b.total != nil {
		b.total.set(b.report.total.Arrived, b.report.total.Bytes, b.report.rate.PerSecond())
	}
}

func (b *bars) done(t *Task) {
	t.bar.Abort(true)
	b.lines.done(t)
	b.refreshTotal()
}

func (b *bars) failed(t *Task, err error) {
	if t.bar != nil {
		t.bar.Abort(true)
	}
	b.lines.failed(t, err)
}

func (b *bars) abandon() { b.end() }

func (b *bars) finish() {
	b.end()
	b.out = b.terminal
	b.lines.finish()
}

// cutLeft is the end of a name that is too long for its column: the end tells files apart.
func cutLeft(name string, width int) string {
	runes := []rune(name)
	if len(runes) <= width {
		return name
	}
	return "…" + string(runes[len(runes)-width+1:])
}
