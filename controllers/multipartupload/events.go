package multipartupload

import (
	"sync"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
)

// How many events of one reason LimitEvents lets pass. Each is a write that costs the API server as
// much as half an expiry, and people read tens of them.
const (
	eventsPerSecond = 10
	eventsBurst     = 100
)

// limitedEvents drops what is too much.
type limitedEvents struct {
	next     reconciler.EventRecorder
	clock    clock.PassiveClock
	mu       sync.Mutex
	byReason map[string]*rate.Limiter // reasons are constants: it stays small
}

// LimitEvents returns a recorder that hands at most 10 events a second of one reason on to next,
// with a burst of 100, and counts the others in iotfile_events_dropped_total. Thousands of uploads
// that expire in one minute would else burden the API server with what their status says anyway,
// and a flood of one reason would hide the others.
func LimitEvents(next reconciler.EventRecorder, clock clock.PassiveClock) reconciler.EventRecorder {
	return &limitedEvents{next: next, clock: clock, byReason: map[string]*rate.Limiter{}}
}

// Eventf implements EventRecorder.
func (l *limitedEvents) Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any) {
	if !l.allow(reason) {
		eventsDroppedTotal.WithLabelValues(reason).Inc()
		return
	}
	l.next.Eventf(regarding, related, eventtype, reason, action, note, args...)
}

func (l *limitedEvents) allow(reason string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.byReason[reason]
	if limiter == nil {
		limiter = rate.NewLimiter(eventsPerSecond, eventsBurst)
		l.byReason[reason] = limiter
	}
	return limiter.AllowN(l.clock.Now(), 1)
}

// actions are what the operator was doing when a reason came up, as events name it.
var actions = map[string]string{
	v1alpha1.ReasonUploading: "Initiate",
	v1alpha1.ReasonCompleted: "Complete",
	v1alpha1.ReasonAborted:   "Abort",
	v1alpha1.ReasonExpired:   "Expire",
}

// tell counts ends, and writes an event when the reason of Ready has changed to one that people
// want to know of.
func (r *Reconciler) tell(old, updated *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, done outcome) {
	if done.ended {
		name := storeLabel(store)
		endedTotal.WithLabelValues(name, done.state.Reason).Inc()
		if done.state.Reason == v1alpha1.ReasonUploadLost {
			reconciler.ReapedTotal(name).Inc()
		}
		if updated.Status.StartTime != nil {
			lifetimeSeconds.WithLabelValues(done.state.Reason).Observe(r.Clock.Since(updated.Status.StartTime.Time).Seconds())
		}
	}
	r.tellTTLLimited(old, updated)
	before := meta.FindStatusCondition(old.Status.Conditions, v1alpha1.ConditionReady)
	if before != nil && before.Reason == done.state.Reason {
		return
	}
	reason, message := done.state.Reason, done.state.Message
	if done.opened != nil {
		reason, message = v1alpha1.ReasonInitiated, "object storage has opened the upload"
	}
	action, known := actions[done.state.Reason]
	switch {
	case known && done.state.Reason != v1alpha1.ReasonExpired && (done.ended || done.opened != nil):
		r.Events.Eventf(updated, nil, "Normal", reason, action, "%s", message)
	case done.state.Stalled || done.state.Reason == v1alpha1.ReasonStoreUnavailable:
		if !known {
			action = "Reconcile"
		}
		r.Events.Eventf(updated, nil, "Warning", reason, action, "%s", message)
	}
}

// tellTTLLimited writes an event when the upload has begun to ask for more time than it has, or
// asks for another.
func (r *Reconciler) tellTTLLimited(old, updated *v1alpha1.MultipartUpload) {
	c := meta.FindStatusCondition(updated.Status.Conditions, v1alpha1.ConditionTTLLimited)
	if c == nil {
		return
	}
	before := meta.FindStatusCondition(old.Status.Conditions, c.Type)
	if before == nil || before.Message != c.Message {
		r.Events.Eventf(updated, nil, "Warning", c.Reason, "Limit", "%s", c.Message)
	}
}

// storeLabel is the name of the store in metrics, empty for one that does not exist: what a record
// says of it would be a label that the record's owner chooses.
func storeLabel(store *v1alpha1.FileStore) string {
	if store == nil {
		return ""
	}
	return store.Name
}
