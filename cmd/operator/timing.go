package main

import "time"

// timing is when the reconcilers look at what no event tells them of. No cluster needs other
// times, and each wrong one costs bytes or calls.
type timing struct{ finalizerTimeout, probeInterval, orphanGrace time.Duration }

var usualTiming = timing{
	// How long a deleted upload waits for object storage that cannot be reached before its record
	// goes without its parts: longer than a store takes to restart, and short enough for whoever
	// deletes a namespace and waits.
	finalizerTimeout: 10 * time.Minute,
	// How often a FileStore that is ready is probed again. A probe is a dozen small calls.
	probeInterval: 5 * time.Minute,
	// How old an upload in object storage that nobody owns must be before it counts: longer than a
	// start can take, and than clocks differ.
	orphanGrace: time.Hour,
}
