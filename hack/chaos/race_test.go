package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// twoReports are of one race, in two processes or at two times.
const twoReports = `==================
WARNING: DATA RACE
Write at 0x00c000012345 by goroutine 17:
  example.com/m.(*T).Set()
      example.com/m/t.go:12 +0x44

Previous read at 0x00c000012345 by goroutine 9:
  example.com/m.(*T).Get()
      example.com/m/t.go:20 +0x3a

Goroutine 17 (running) created at:
  example.com/m.Start()
      example.com/m/start.go:7 +0x99
==================
==================
WARNING: DATA RACE
Write at 0x00c000067890 by goroutine 170:
  example.com/m.(*T).Set()
      example.com/m/t.go:12 +0x55

Previous read at 0x00c000067890 by goroutine 90:
  example.com/m.(*T).Get()
      example.com/m/t.go:20 +0x66

Goroutine 170 (running) created at:
  example.com/m.Other()
      example.com/m/other.go:7 +0x99
==================
Found 2 data race(s)
`

// TestRaces: each race is a violation, however often it was reported, and nothing else is.
func TestRaces(t *testing.T) {
	for name, tt := range map[string]struct {
		log                 string
		reports, violations int
	}{
		"none": {"", 0, 0}, "two of one race": {twoReports, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{dir: t.TempDir(), report: newReport(io.Discard, new(bytes.Buffer))}
			if err := os.Mkdir(filepath.Join(w.dir, "logs"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{raceLog + ".123", "operator-0.log"} {
				if err := os.WriteFile(filepath.Join(w.dir, "logs", file), []byte(tt.log), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.compareRaces(); err != nil {
				t.Fatal(err)
			}
			if got := w.report.counts["reports of the race detector"]; got != tt.reports || len(w.report.violations) != tt.violations {
				t.Errorf("%d reports, violations %q", got, w.report.violations)
			}
		})
	}
}
