package ui

import (
	"context"
	"net"
	"net/http"
	"sync"
)

type peerKey struct{}

// withPeer notes who is at the other end of a connection, which is found out when it is asked for.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, sync.OnceValue(func() int { return owner(conn) }))
}

// stranger reports whether a request is known to come from another user of this machine, who has
// got a link or a cookie somehow. Root can do everything in any case: tunnels and containers are
// often its. Who runs this as root is somebody else in the browser, as a rule.
func (s *Server) stranger(r *http.Request) bool {
	peer, ok := r.Context().Value(peerKey{}).(func() int)
	if !ok || s.uid <= 0 {
		return false
	}
	uid := peer()
	return uid > 0 && uid != s.uid
}
