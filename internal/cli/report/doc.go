// Package report tells what a command does while it does it: with bars on a terminal, with lines
// elsewhere, with JSON events for programs. It also writes sizes, times and names for people.
//
// Start with report.go; bars.go, lines.go and events.go are the three ways.
package report
