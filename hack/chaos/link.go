package main

import (
	"context"
	"fmt"
	"net/http"
)

// link is the way from an operator to a server: a wire, then a proxy.
type link struct {
	wire  *wire
	proxy *proxy
}

// address is where the operator finds the server.
func (l *link) address() string { return l.wire.address() }

func (l *link) stop() {
	l.wire.stop()
	l.proxy.stop()
}

// join puts a wire before a proxy.
func join(name string, p *proxy, err error) (*link, error) {
	if err != nil {
		return nil, fmt.Errorf("proxy to %s: %w", name, err)
	}
	w, err := newWire(p.address(), p.seed)
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
		l.wire.harm(name, e)
		defer l.wire.heal(name)
	}
	_ = sleep(ctx, e.lasts)
}

// storeTransport is how the proxy reaches the object store.
func storeTransport() http.RoundTripper {
	// A connection kept over a restart of the store would add failures that nobody has planned.
	return &http.Transport{DisableKeepAlives: true, DisableCompression: true}
}
