package main

import (
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
)

// A start never waits longer than half a minute.
func TestTimeouts(t *testing.T) {
	for wait, start := range map[time.Duration]time.Duration{40 * time.Second: 30 * time.Second, 20 * time.Second: 20 * time.Second} {
		opts := dataplane.Options{}
		(&options{waitTimeout: wait, progressInterval: time.Minute}).setTimeouts(&opts)
		if opts.StartTimeout != start || opts.CompleteTimeout != wait || opts.AbortTimeout != wait || opts.SearchTimeout != wait || opts.ProgressInterval != time.Minute {
			t.Errorf("--wait-timeout=%s: start %s, complete %s, abort %s, search %s, progress %s", wait,
				opts.StartTimeout, opts.CompleteTimeout, opts.AbortTimeout, opts.SearchTimeout, opts.ProgressInterval)
		}
	}
}

// A duration that would let nothing through is refused.
func TestTimes(t *testing.T) {
	if err := validateTimes(time.Second, time.Second, time.Second); err != nil {
		t.Error(err)
	}
	for _, bad := range []time.Duration{0, -time.Second} {
		for name, err := range map[string]error{
			"--wait-timeout": validateTimes(bad, time.Second, time.Second), "--progress-interval": validateTimes(time.Second, bad, time.Second),
			"--sweep-interval": validateTimes(time.Second, time.Second, bad),
		} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: %v", name, bad, err)
			}
		}
	}
}
