// Package testkit is what the tests of several packages share: builders for the two kinds, a clock
// that stands still, timeouts, and the invariants that every recorded status must keep.
package testkit
