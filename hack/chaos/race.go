package main

import (
	"os"
	"path/filepath"
	"strings"
)

// raceLog begins the names of the files, one of each process, that the race detector writes to.
const raceLog = "race"

// raceLine ends and begins each report of the race detector.
const raceLine = "=================="

// compareRaces: no operator that was built with the race detector has reported anything.
func (w *world) compareRaces() error {
	paths, err := filepath.Glob(filepath.Join(w.dir, "logs", raceLog+".*"))
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, path := range paths {
		log, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, report := range raceReports(string(log)) {
			w.report.count("reports of the race detector")
			if place := racePlace(report); !seen[place] {
				seen[place] = true
				w.violated(nil, "in %s:\n%s", filepath.Base(path), report)
			}
		}
	}
	return nil
}

// raceReports splits what the race detector has written.
func raceReports(log string) []string {
	var out []string
	for _, block := range strings.Split(log, raceLine) {
		if block = strings.TrimSpace(block); strings.HasPrefix(block, "WARNING: DATA RACE") {
			out = append(out, block)
		}
	}
	return out
}

// racePlace is the report without what differs between processes and times: addresses and numbers
// of goroutines. It is the functions and lines of the two accesses.
func racePlace(report string) string {
	var lines []string
	for _, line := range strings.Split(report, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "Goroutine ") {
			break // where they were started
		}
		if strings.HasPrefix(line, "  ") {
			place, _, _ := strings.Cut(line, " +0x")
			lines = append(lines, place)
		}
	}
	return strings.Join(lines, "\n")
}
