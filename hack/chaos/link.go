package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
)

// link is the way from an operator to a server: faults of TCP, then those of HTTP.
type link struct {
	wire  *tcpfault.Proxy
	proxy *proxy
}

// address is where the operator finds the server.
func (l *link) address() string { return l.wire.Addr() }

func (l *link) stop() {
	l.wire.Close()
	l.proxy.stop()
}

// join puts faults of TCP before a proxy.
func join(name string, p *proxy, err error) (*link, error) {
	if err != nil {
		return nil, fmt.Errorf("proxy to %s: %w", name, err)
	}
	w, err := tcpfault.New(p.address(), p.seed)
	if err != nil {
		p.stop()
		return nil, err
	}
	return &link{wire: w, proxy: p}, nil
}

// suffer has the link show a fault for as long as the event lasts, or until ctx is done.
func (l *link) suffer(ctx context.Context, e event, number int) {
	name := fmt.Sprintf("event-%d", number)
	if e.fault == "" {
		l.proxy.harm(name, e)
		defer l.proxy.heal(name)
	} else {
		l.wire.Add(name, e.onConnections())
		defer l.wire.Remove(name)
	}
	_ = sleep(ctx, e.lasts)
}

// gate is how the proxy reaches the object store. While it is locked, no completion of an upload
// goes through, and none is in flight. A store that is ended in the middle of one may lose the
// upload (MinIO), or keep its parts where nobody can remove them (versitygw): no operator can help
// that. MinIO also loses it when the operator is killed meanwhile, since its connection ends. So a
// completion that has got to the store goes on without its caller.
type gate struct {
	sync.RWMutex
	http.Transport
}

func newGate() *gate {
	// A connection kept over a restart of the store would add failures that nobody has planned.
	return &gate{Transport: http.Transport{DisableKeepAlives: true, DisableCompression: true}}
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if !assembles(req) {
		return g.Transport.RoundTrip(req)
	}
	g.RLock()
	res, err := g.Transport.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
	if err != nil {
		g.RUnlock()
		return nil, err
	}
	// The answer may begin before the completion has ended.
	res.Body = &released{ReadCloser: res.Body, release: sync.OnceFunc(g.RUnlock)}
	return res, nil
}

// assembles reports whether a request to the store completes an upload.
func assembles(req *http.Request) bool {
	return req.Method == http.MethodPost && req.URL.Query().Has("uploadId")
}

// released is a body that gives something back when it is closed.
type released struct {
	io.ReadCloser
	release func()
}

func (r *released) Close() error {
	defer r.release()
	return r.ReadCloser.Close()
}
