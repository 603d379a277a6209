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
	traffics []traffic
	traffic  traffic // of them, that is measured now
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
