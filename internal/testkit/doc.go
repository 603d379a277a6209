// Package testkit is what the tests of several packages share: builders for the two kinds, a clock
// that stands still, patience, and the invariants that every recorded status must keep.
package testkit
