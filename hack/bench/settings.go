package main

import "time"

// settings are the flags.
type settings struct {
	stores   []string
	ways     []string
	mebibyte int // of each measurement
	part     int // MiB of a part
	parallel []int
	rounds   int
	tls      string  // of which sides: "", in, out, both
	pace     float64 // MB/s of each sender; 0 for as fast as they can
	out      string
	operator string
	uploads  int // that expire
	within   time.Duration
	phase    time.Duration // of a flood, or of rest
	only     string        // part of the names of the floods
	clients  int           // at once
	open     int           // uploads that are open, and records of those that are finished
	finished int
}

// tlsIn and tlsOut report whether what stands in front of a store speaks TLS with its clients, and
// with the store.
func (s settings) tlsIn() bool  { return s.tls == "in" || s.tls == "both" }
func (s settings) tlsOut() bool { return s.tls == "out" || s.tls == "both" }
