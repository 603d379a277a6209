package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// wire is a TCP proxy on loopback that can do to connections what networks do.
type wire struct{ proxy *toxiproxy.Proxy }

// newWire starts a proxy to upstream ("host:port") on a free port.
func newWire(name, upstream string) (*wire, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("proxy to %s: %w", name, err)
	}
	return &wire{proxy: p}, nil
}

// address is where the proxy listens.
func (w *wire) address() string { return w.proxy.Listen }

// harm adds the fault of an event, under a name for heal.
func (w *wire) harm(name string, e event) error {
	attributes := map[string]any{
		"latency":    map[string]any{"latency": e.value, "jitter": e.value / 2},
		"reset_peer": map[string]any{"timeout": e.value},
		"timeout":    map[string]any{"timeout": e.value},
		"limit_data": map[string]any{"bytes": e.value},
	}[e.toxic]
	spec, err := json.Marshal(map[string]any{"name": name, "type": e.toxic, "stream": e.stream, "toxicity": e.share, "attributes": attributes})
	if err != nil {
		return err
	}
	_, err = w.proxy.Toxics.AddToxicJson(bytes.NewReader(spec))
	return err
}

// heal takes a fault away. Connections that it holds open are closed.
func (w *wire) heal(ctx context.Context, name string) error {
	return w.proxy.Toxics.RemoveToxic(ctx, name)
}

// stop closes the listener and all connections.
func (w *wire) stop() { w.proxy.Stop() }
