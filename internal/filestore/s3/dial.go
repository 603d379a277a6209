package s3

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// dialer makes the connections of a store: those to the store itself under the eyes of the Guard,
// and those to a proxy of the environment without, because the platform team has chosen it, and it
// may be a sidecar.
type dialer struct {
	store, proxy net.Dialer
	// proxies are the addresses of the proxies that were used.
	proxies sync.Map
}

func newDialer(guard *Guard) *dialer {
	d := &dialer{proxy: net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}}
	d.store = d.proxy
	d.store.ControlContext = guard.control
	return d
}

// proxyOf is http.ProxyFromEnvironment, which goes straight to loopback addresses.
func (d *dialer) proxyOf(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if proxy != nil {
		d.proxies.Store(addressOf(proxy), true)
	}
	return proxy, err
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if _, ok := d.proxies.Load(addr); ok {
		return d.proxy.DialContext(ctx, network, addr)
	}
	return d.store.DialContext(ctx, network, addr)
}

// addressOf is where net/http connects to for a URL.
func addressOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
