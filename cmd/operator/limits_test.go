package main

import (
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
)

// TestLimits: a limit that would let nothing through, or stands for another by chance, is refused
// by name.
func TestLimits(t *testing.T) {
	valid := limits{maxSearches: 1, maxStarts: 1, bodyGrace: time.Second, storeIdleTimeout: time.Second, waitTimeout: time.Second, progressInterval: time.Second}
	if err := valid.validate(); err != nil {
		t.Fatal(err)
	}
	for flag, spoil := range map[string]func(*limits){
		"--max-searches":        func(l *limits) { l.maxSearches = 0 },
		"--max-starts":          func(l *limits) { l.maxStarts = 0 },
		"--min-body-rate ":      func(l *limits) { l.minBodyRate = -1 },
		"--min-body-rate-grace": func(l *limits) { l.bodyGrace = 0 },
		"--store-idle-timeout":  func(l *limits) { l.storeIdleTimeout = -time.Second },
		"--wait-timeout":        func(l *limits) { l.waitTimeout = 0 },
		"--progress-interval":   func(l *limits) { l.progressInterval = 0 },
	} {
		l := valid
		spoil(&l)
		if err := l.validate(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// TestLimitsApply: 0 on the command line demands no rate, and a start never waits longer than half
// a minute.
func TestLimitsApply(t *testing.T) {
	for rate, want := range map[int64]int64{0: -1, 1: 1, 1 << 10: 1 << 10} {
		l, opts := limits{minBodyRate: rate, waitTimeout: 40 * time.Second}, dataplane.Options{}
		l.apply(&opts)
		if opts.MinBodyRate != want || opts.StartTimeout != 30*time.Second || opts.CompleteTimeout != 40*time.Second {
			t.Errorf("--min-body-rate=%d: %d, start %s, complete %s", rate, opts.MinBodyRate, opts.StartTimeout, opts.CompleteTimeout)
		}
	}
	opts := dataplane.Options{}
	(&limits{waitTimeout: 20 * time.Second, progressInterval: time.Minute}).apply(&opts)
	if opts.StartTimeout != 20*time.Second || opts.ProgressInterval != time.Minute {
		t.Errorf("a start waits %s, progress is written every %s", opts.StartTimeout, opts.ProgressInterval)
	}
}
