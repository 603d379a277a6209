// Package loadlog is how the load of `make e2e-cluster` tells what happens to it: JSON, one line
// each, in the log of its pod.
package loadlog

import "time"

// Interval is how often there is a Tick.
const Interval = 500 * time.Millisecond

// Line is one line; one of the pointers is set.
type Line struct {
	Time       time.Time   `json:"time"`
	Tick       *Tick       `json:"tick,omitempty"`
	Failure    *Failure    `json:"failure,omitempty"`
	Repetition *Repetition `json:"repetition,omitempty"`
}

// Tick says how many requests of which kind were answered as they should be since the last one, and
// how long the slowest of them took.
type Tick struct {
	Counts  map[string]int `json:"counts"`
	Slowest time.Duration  `json:"slowest"`
}

// Failure is a request that was not answered as it should be. It was not a repetition of one that
// failed.
type Failure struct {
	Number int       `json:"number"`
	Client string    `json:"client"`
	Op     string    `json:"op"`
	Began  time.Time `json:"began"`
	// Status is 0 when there was no answer; Text then says why, else it is the answer.
	Status int    `json:"status"`
	Text   string `json:"text"`
	// Refused says that there was no connection: the request was not sent.
	Refused bool `json:"refused"`
}

// Repetition says what became of a failed request when it was repeated, as any client may, for a
// minute.
type Repetition struct {
	Number int  `json:"number"`
	OK     bool `json:"ok"`
}
