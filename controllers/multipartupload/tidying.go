package multipartupload

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// How many writes a second go into the records of uploads that nobody waits for: to say that one
// has expired, to let the record of one that has ended go, to delete it. They wait for nothing but
// the API server, so as many as there are workers would be under way at once. An API server that
// has no more processors than ours had is then so busy with them that its watches fall behind by
// half a minute, and with them all starts and completions.
//
// atOnceTidied bounds how many are under way: where each takes long, because the API server has too
// much to do, there are fewer in a second.
const atOnceTidied = 2

// DefaultTidyRate is how many where Reconciler.TidyRate does not say it. Each upload
// that is completed needs two, so half as many uploads a second can come and go.
const DefaultTidyRate = 200

// tidying gives each of these writes its time. The zero value is ready.
type tidying struct {
	mu      sync.Mutex
	limiter *rate.Limiter
	// turns are when those that had to wait may go.
	turns map[types.NamespacedName]turn
	// ends is how many of turns are to record an end: people look at those.
	ends int
	// underWay is how many have had their turn, and have not left yet.
	underWay int
}

type turn struct {
	at  time.Time
	end bool
}

// enter is how long the upload has to wait for its turn, of which there are so many a second. It
// has come when that is 0, and then leave is to be called. What records no end has no turn while
// there is an end to record.
func (t *tidying) enter(name types.NamespacedName, end bool, perSecond int, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if perSecond <= 0 {
		perSecond = DefaultTidyRate
	}
	if t.limiter == nil {
		t.limiter, t.turns = rate.NewLimiter(rate.Limit(perSecond), perSecond), map[types.NamespacedName]turn{}
	}
	mine, waiting := t.turns[name]
	t.drop(name)
	const pause = 20 * time.Millisecond
	switch {
	case !end && t.ends > 0:
		mine.at = now.Add(max(pause, time.Duration(t.ends)*time.Second/time.Duration(perSecond)))
	case !waiting || mine.end != end:
		mine.at = now.Add(t.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if !mine.at.After(now) && t.underWay >= atOnceTidied {
		mine.at = now.Add(max(pause, t.limiter.ReserveN(now, 1).DelayFrom(now))) // the line goes on; this one is in it once more
	}
	if mine.at.After(now) {
		t.turns[name] = turn{mine.at, end}
		if end {
			t.ends++
		}
		return mine.at.Sub(now)
	}
	t.underWay++
	return 0
}

// drop takes the upload out of the line.
func (t *tidying) drop(name types.NamespacedName) {
	if t.turns[name].end {
		t.ends--
	}
	delete(t.turns, name)
}

// leave says that the write is done, or has failed.
func (t *tidying) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underWay--
}

// forget drops the turn of an upload that is gone.
func (t *tidying) forget(name types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(name)
}

// tidies reports whether a step is a write that nobody waits for.
func tidies(o *observation, d upload.Decision) bool {
	if upload.Urgent(o.Upload) {
		return false
	}
	return d.Step == upload.StepFinish || d.Step == upload.StepReleaseFinalizer || d.Step == upload.StepCollect
}
