package reconciler

import "k8s.io/apimachinery/pkg/runtime"

// EventRecorder writes events; an implementation aggregates repeated ones. See
// k8s.io/client-go/tools/events.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any)
}
