// Package upload is the domain: what an upload is, what may be done to it and what comes next. It
// is pure: no context, no I/O and no clock, the time is an argument, so that every rule can be
// tested as a table and fuzzed.
//
// Start with decide.go, which says what the reconciler does next, and observation.go, which is what
// it looks at; admit.go is the same for a part. The other files are what both are made of: keys,
// names, versions, sequences, limits and times.
//
// The package imports api alone.
package upload
