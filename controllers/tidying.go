package controllers

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// How many writes a second go into the records of uploads that nobody waits for: to say that one has expired, to let the record of one that has ended go, to delete
// it. They wait for nothing but the API server, so as many as there are workers would be under way at once. An API server that has no more processors than
// ours had is then so busy with them that its watches fall behind by half a minute, and with them all starts and completions.
//
// atOnceTidied bounds how many are under way: where each takes long, because the API server has too much to do, there are fewer in a second.
const atOnceTidied = 2

// DefaultTidyRate is how many where MultipartUploadReconciler.TidyRate does not say it. Each upload that is completed needs two, so half as many uploads a second can come and go.
const DefaultTidyRate = 50

// tidying gives each of these writes its time. The zero value is ready.
type tidying struct {
	mu      sync.Mutex
	limiter *rate.Limiter
	// turns are when those that had to wait may go.
	turns map[types.NamespacedName]time.Time
	// underWay is how many have had their turn, and have not left yet.
	underWay int
}

// enter is how long the upload has to wait for its turn, of which there are so many a second. It has come when that is 0, and then leave is to be called.
func (t *tidying) enter(name types.NamespacedName, perSecond int, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limiter == nil {
		if perSecond <= 0 {
			perSecond = DefaultTidyRate
		}
		t.limiter, t.turns = rate.NewLimiter(rate.Limit(perSecond), perSecond), map[types.NamespacedName]time.Time{}
	}
	turn, waiting := t.turns[name]
	if !waiting {
		turn = now.Add(t.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if !turn.After(now) && t.underWay >= atOnceTidied {
		const pause = 20 * time.Millisecond
		turn = now.Add(max(pause, t.limiter.ReserveN(now, 1).DelayFrom(now))) // the line goes on; this one is in it once more
	}
	if turn.After(now) {
		t.turns[name] = turn
		return turn.Sub(now)
	}
	delete(t.turns, name)
	t.underWay++
	return 0
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
	delete(t.turns, name)
}

// tidies says whether a step is a write that nobody waits for.
func tidies(o *observation, d upload.Decision) bool {
	if upload.Urgent(o.Upload) {
		return false
	}
	return d.Step == upload.StepFinish || d.Step == upload.StepReleaseFinalizer || d.Step == upload.StepCollect
}
