package testkit

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// Clock makes a clock that stands still at the present until it is moved: the API server, whose
// clock cannot be moved, writes creation and deletion times. It begins on a whole second, since the
// API keeps no more.
func Clock() *clocktesting.FakeClock {
	return clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
}

// timeout is how long these wait. Only a test that fails waits that long, and a busy machine
// proves nothing.
const timeout = 2 * time.Minute

// Eventually waits until check returns nil, and fails the test with its last error if that takes
// too long.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	EventuallyThat(t, "it", check)
}

// EventuallyThat is Eventually with a name for what is waited for.
func EventuallyThat(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come to pass within %s: %v", what, timeout, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
