package tcpfault

import "time"

// Kind is what a Fault does.
type Kind string

// The kinds.
const (
	// Latency holds each piece of data up for Delay, between half of it and half as much again.
	Latency Kind = "latency"
	// Reset resets the connection at its next data.
	Reset Kind = "reset"
	// Silence loses all data. A connection that has lost some is cut when the fault is removed.
	Silence Kind = "half closed"
	// Cut closes both sides of a connection when so many Bytes have passed.
	Cut Kind = "cut after bytes"
	// Flip inverts one bit of the byte at offset Bytes.
	Flip Kind = "bit flipped"
	// Block lets nothing through once so many Bytes have passed, and loses none, until the fault is
	// removed.
	Block Kind = "blocked"
)

// Direction is where data flow.
type Direction string

// The directions.
const (
	// Upstream is from the client to the server.
	Upstream Direction = "upstream"
	// Downstream is from the server to the client.
	Downstream Direction = "downstream"
)

// Fault is what happens to the connections of a Proxy, from Add to Remove.
type Fault struct {
	// Kind is what is done.
	Kind Kind
	// Towards is the direction that it is done to; empty for both.
	Towards Direction
	// Delay is that of Latency.
	Delay time.Duration
	// Bytes is of Cut, Block and Flip, counted for each connection from when the fault was added.
	Bytes int64
	// Share is how many of the connections are hit, in (0, 1]; 0 stands for all.
	Share float64
}

// meets reports whether the fault is one of a direction.
func (f Fault) meets(towards Direction) bool { return f.Towards == "" || f.Towards == towards }

// apply does the fault to the data of a verdict. dice is in [0, 1).
func (f Fault) apply(v *verdict, h *hit, dice float64) {
	switch f.Kind {
	case Latency:
		v.delay += time.Duration((0.5 + dice) * float64(f.Delay))
	case Reset:
		v.data, v.cut, v.reset = nil, true, true
	case Silence:
		v.data, h.lost = nil, true
	case Cut:
		v.data = v.data[:min(int64(len(v.data)), f.Bytes-h.bytes)]
		v.cut = v.cut || h.bytes+int64(len(v.data)) >= f.Bytes
	case Flip:
		if at := f.Bytes - h.bytes; at >= 0 && at < int64(len(v.data)) {
			v.data[at] ^= 1
		}
	case Block:
	}
	h.bytes += int64(len(v.data))
}
