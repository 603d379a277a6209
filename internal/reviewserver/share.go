package reviewserver

import (
	"context"
	"net"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
)

// share is a number of places, of which each address gets so many at once.
type share struct {
	line *sharing.Line
}

func newShare(total, each int) share {
	return share{sharing.NewLine(&places{total: total, each: each, by: map[sharing.Lane]int{}})}
}

// enter takes a place for an address, and waits for one at most until queueTimeout or ctx is over.
// The caller calls leave once, if ok.
func (s share) enter(ctx context.Context, address string, queueTimeout time.Duration) (leave func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	leave, err := s.line.Wait(ctx, sharing.Lane{Namespace: address})
	return leave, err == nil
}

// places implement sharing.Places. A lane is an address.
type places struct {
	total, each, taken int
	by                 map[sharing.Lane]int
}

// Room implements sharing.Places.
func (p *places) Room(l sharing.Lane) bool { return p.taken < p.total && p.by[l] < p.each }

// Take implements sharing.Places.
func (p *places) Take(l sharing.Lane, n int) {
	p.taken += n
	if p.by[l] += n; p.by[l] == 0 {
		delete(p.by, l)
	}
}

// Held implements sharing.Places.
func (p *places) Held(l sharing.Lane) int { return p.by[l] }

// addressOf is the host of host:port.
func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
