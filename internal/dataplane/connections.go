package dataplane

import (
	"context"
	"math"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/iotfile-operator/iotfile-operator/internal/bulkconn"
	"github.com/iotfile-operator/iotfile-operator/internal/connlimit"
)

const (
	// maxHeaderBytes is how long the header of a request may be; net/http adds 4 KiB to it. A token
	// of some hundred groups takes 8 KiB, and a path whose every byte is percent-encoded 3.
	maxHeaderBytes = 12 << 10
	// connectionMemory is what a connection takes before its caller is known: the header, the
	// buffers of net/http, the state of TLS, and two stacks.
	connectionMemory = 56 << 10
	// connectionsShare is the part of the process's memory limit that such connections take
	// together: one sixteenth.
	connectionsShare = 16
	// mostConnections is the default where the process has no memory limit.
	mostConnections = 16_384
)

// defaultConnections is how many connections a process of this memory limit (GOMEMLIMIT, in bytes)
// has open at most. Each part, and each download, has one.
func defaultConnections(memoryLimit int64, parts int) int {
	if memoryLimit == math.MaxInt64 { // none
		return max(mostConnections, 4*parts)
	}
	const sparePerPart = 2 // one that sends the next part, or reads, for each
	return max(int(memoryLimit/(connectionsShare*connectionMemory)), sparePerPart*parts)
}

// memoryLimit is that of this process, as the Go runtime keeps it.
func memoryLimit() int64 { return debug.SetMemoryLimit(-1) }

// limited bounds the connections that server accepts from inner, and has them carry large bodies.
func (s *Server) limited(inner net.Listener, server *http.Server) net.Listener {
	server.ConnState = connlimit.ConnState
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return bulkconn.ConnContext(connlimit.ConnContext(ctx, c), c)
	}
	s.metrics.connectionsLimit.Set(float64(s.opts.MaxConnections))
	return bulkconn.Listen(connlimit.Limit(inner, connlimit.Options{
		Max:     s.opts.MaxConnections,
		Open:    func(n int) { s.metrics.connections.Set(float64(n)) },
		Waiting: func(n int) { s.metrics.connectionsWaiting.Set(float64(n)) },
		Closed:  func(why connlimit.Reason) { s.metrics.connectionsClosed.WithLabelValues(string(why)).Inc() },
	}), server.TLSConfig != nil)
}
