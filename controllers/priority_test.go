package controllers_test

import "testing"

// What waits for its time keeps its place: at the moment of expiry it must not overtake what
// somebody waits for.
func TestPriorityOfALaterLook(t *testing.T) {
	r := newRig(t)
	r.open("up")
	waits := r.drive("up")
	if waits.RequeueAfter == 0 || waits.Priority == nil || *waits.Priority >= 0 {
		t.Errorf("%+v: not looked at later, behind what is urgent", waits)
	}
}
