// Package memory is a Store that keeps everything in memory, for tests that need a backend to fail,
// hang, answer late or lose an answer at a given moment. It passes the same conformance suite as
// the real ones; where backends differ, Options choose.
//
// It is not for production, and not a substitute for tests against a real backend.
package memory
