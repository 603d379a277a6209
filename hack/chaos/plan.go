package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
)

// replicas is how many operators run side by side.
const replicas = 3

// leader as the target of an event is the replica that holds the lease when the event comes.
const leader = -1

// event is one fault. What it says is fixed by the seed; how the system stands when it comes is
// not.
type event struct {
	at, lasts time.Duration // since the start of the plan
	kind      string        // what is counted in the report
	// target is the replica, or leader. Of a network event it is the replica whose way to the API
	// server is meant, or store.
	target int
	// fault is one of connections, in one direction; value is of it: milliseconds, or bytes.
	fault  tcpfault.Kind
	stream tcpfault.Direction
	value  int64
	// share is how many of the connections or requests are hit.
	share float64
}

// onConnections is the fault of an event, for a proxy of TCP.
func (e event) onConnections() tcpfault.Fault {
	return tcpfault.Fault{Kind: e.fault, Towards: e.stream, Share: e.share, Bytes: e.value, Delay: time.Duration(e.value) * time.Millisecond}
}

// store as the target of a network event is the way of all replicas to the object store.
const store = -2

func (e event) String() string {
	target := fmt.Sprintf("replica %d", e.target)
	switch e.target {
	case leader:
		target = "leader"
	case store:
		target = "store"
	}
	text := fmt.Sprintf("%7.1fs %-18s %-9s for %4.1fs", e.at.Seconds(), e.kind, target, e.lasts.Seconds())
	if e.share > 0 {
		text += fmt.Sprintf(" share %.2f", e.share)
	}
	if e.fault != "" {
		text += fmt.Sprintf(" %s %d", e.stream, e.value)
	}
	return text
}

// plan is what happens when. The same seed and length give the same plan.
type plan []event

func (p plan) String() string {
	var b strings.Builder
	for _, e := range p {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// Pauses between events, and the time at either end without one.
const (
	meanGap  = 2200 * time.Millisecond
	mildGap  = 4 * time.Second
	quiet    = 3 * time.Second
	leaseFor = 10 * time.Second
)

// newPlan deals the events from a deck that holds each kind at least once, and is shuffled anew
// when it is empty: so a short run has all of them, too.
func newPlan(seed uint64, length time.Duration, cards []card, gap time.Duration) plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out plan
	var deck []card
	at := quiet
	for at < length-quiet {
		if len(deck) == 0 {
			deck = slices.Clone(cards)
			rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		e := deck[0].deal(rng)
		deck = deck[1:]
		e.at, e.lasts = at, min(e.lasts, length-at)
		out = append(out, e)
		at += time.Duration((0.4 + 1.2*rng.Float64()) * float64(gap))
	}
	return out
}

// card makes an event.
type card struct{ deal func(*rand.Rand) event }

// wild are the faults that only a client survives that goes on trying.
var wild = slices.Concat(
	// Without a leader no upload is opened or completed: too many of these, and there is little
	// left to disturb.
	process("kill", 2, 0, 3*time.Second), process("terminate", 2, 0, 3*time.Second), process("pause", 1, leaseFor+2*time.Second, 16*time.Second),
	process("kill leader", 1, 0, 3*time.Second), process("pause leader", 1, leaseFor+2*time.Second, 16*time.Second),
	server("restart store", 1, 4*time.Second), server("restart API server", 1, 4*time.Second), server("restart etcd", 1, 4*time.Second),
	connections(),
	requests(store, httpFaults), requests(0, httpFaults),
)

// mild are those that the public client survives, one at a time: an operator
// ends, or the store is away for less than the operator waits for it.
var mild = slices.Concat(process("kill", 1, 0, 3*time.Second), process("kill leader", 1, 0, 3*time.Second), process("terminate", 1, 0, 3*time.Second), server("restart store", 2, 3*time.Second))

// process is an event of an operator process.
func process(kind string, copies int, shortest, longest time.Duration) []card {
	c := card{func(rng *rand.Rand) event {
		target := rng.IntN(replicas)
		name := strings.TrimSuffix(kind, " leader")
		if name != kind {
			target = leader
		}
		return event{kind: name, target: target, lasts: between(rng, shortest, longest)}
	}}
	return slices.Repeat([]card{c}, copies)
}

// server is a restart: for so long nobody is there.
func server(kind string, copies int, longest time.Duration) []card {
	return slices.Repeat([]card{{func(rng *rand.Rand) event {
		return event{kind: kind, target: store, lasts: between(rng, 0, longest)}
	}}}, copies)
}

// connections are the faults below HTTP.
func connections() []card {
	var out []card
	for _, of := range []struct {
		fault     tcpfault.Kind
		low, high int64
	}{{tcpfault.Latency, 50, 1500}, {tcpfault.Reset, 0, 0}, {tcpfault.Silence, 0, 0}, {tcpfault.Cut, 100, 6 << 20}} {
		for _, towards := range []int{store, 0} {
			out = append(out, card{func(rng *rand.Rand) event {
				e := event{
					kind: string(of.fault), target: aim(rng, towards), lasts: between(rng, 1500*time.Millisecond, 9*time.Second),
					fault: of.fault, stream: []tcpfault.Direction{tcpfault.Upstream, tcpfault.Downstream}[rng.IntN(2)], share: 0.3 + 0.7*rng.Float64(),
				}
				e.value = of.low + int64(float64(of.high-of.low)*rng.Float64()*rng.Float64())
				return e
			}})
		}
	}
	return out
}

// requests are the faults of HTTP.
func requests(towards int, kinds []string) []card {
	var out []card
	for _, kind := range kinds {
		out = append(out, card{func(rng *rand.Rand) event {
			return event{kind: kind, target: aim(rng, towards), lasts: between(rng, 2*time.Second, 12*time.Second), share: 0.1 + 0.5*rng.Float64()}
		}})
	}
	return out
}

// aim picks the replica whose way to the API server is meant.
func aim(rng *rand.Rand, towards int) int {
	if towards == store {
		return store
	}
	return rng.IntN(replicas)
}

func between(rng *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(rng.Float64()*float64(high-low))
}
