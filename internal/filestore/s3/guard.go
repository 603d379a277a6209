package s3

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

const (
	// resolveEvery is how old what is known of the API server's addresses may get.
	resolveEvery   = time.Minute
	resolveTimeout = 2 * time.Second
)

// Guard keeps stores away from addresses that only the operator can reach: of its own pod and node,
// of the services that give clouds' machines their identity, and of the API server. It looks at the
// address that a connection is really made to, so that a name which changes its address after it
// was looked at gains nothing. It is safe for concurrent use.
type Guard struct {
	allowLocal bool
	apiServer  []string
	resolve    func(ctx context.Context, host string) ([]netip.Addr, error)

	mu       sync.Mutex
	resolved time.Time
	known    map[netip.Addr]bool
}

// NewGuard makes a Guard. allowLocal lets all addresses pass, as development on one machine needs
// it. apiServer are names and addresses of the API server, without a port; empty ones are left out.
func NewGuard(allowLocal bool, apiServer ...string) *Guard {
	g := &Guard{allowLocal: allowLocal, known: map[netip.Addr]bool{}, resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}}
	for _, host := range apiServer {
		if host = plainHost(host); host != "" {
			if addr, err := netip.ParseAddr(host); err == nil {
				host = addr.Unmap().String() // as it is compared
			}
			g.apiServer = append(g.apiServer, host)
		}
	}
	return g
}

// New is New for stores that the Guard lets pass. An endpoint that names a refused address is a
// filestore.ConfigError of kind ErrEndpointNotAllowed; one whose name leads to such an address
// fails with that in its first call.
func (g *Guard) New(cfg filestore.Config) (filestore.Store, error) {
	s, err := newStore(cfg, g)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkHost refuses a host that is known without asking anybody. Through a proxy it is all that can
// be checked, since the proxy makes the connection.
func (g *Guard) checkHost(host string) error {
	if g.allowLocal {
		return nil
	}
	host = plainHost(host)
	if addr, err := netip.ParseAddr(host); err == nil {
		return checkAddr(addr, func(a netip.Addr) bool { return slices.Contains(g.apiServer, a.String()) })
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return notAllowed("%q is the operator's own pod", host)
	}
	if slices.Contains(g.apiServer, host) {
		return notAllowed("%q is the API server", host)
	}
	return nil
}

// control is net.Dialer.ControlContext: it is asked after a name was resolved, before each
// connection.
func (g *Guard) control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	if g.allowLocal {
		return nil
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return notAllowed("%q is no address", address)
	}
	return checkAddr(to.Addr(), func(a netip.Addr) bool { return g.isAPIServer(ctx, a) })
}

func checkAddr(addr netip.Addr, isAPIServer func(netip.Addr) bool) error {
	for _, a := range reachedBy(addr) {
		switch {
		case a.IsLoopback(), a.IsUnspecified(), thisNetwork.Contains(a):
			return notAllowed("%s is the operator's own pod", addr)
		case a.IsLinkLocalUnicast(), metadata[a]:
			return notAllowed("%s is link-local, or the metadata service of a cloud", addr)
		case a.IsMulticast(), a == broadcast:
			return notAllowed("%s is no single host", addr)
		case isAPIServer(a):
			return notAllowed("%s is the API server", addr)
		}
	}
	return nil
}

// isAPIServer looks the API server's names up again from time to time. While they cannot be
// resolved, what was known before counts.
func (g *Guard) isAPIServer(ctx context.Context, addr netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.Sub(g.resolved) >= resolveEvery {
		g.resolved = now
		g.lookUp(ctx)
	}
	return g.known[addr]
}

func (g *Guard) lookUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	known := map[netip.Addr]bool{}
	for _, host := range g.apiServer {
		if addr, err := netip.ParseAddr(host); err == nil {
			known[addr.WithZone("").Unmap()] = true
			continue
		}
		addrs, err := g.resolve(ctx, host)
		if err != nil {
			for addr := range g.known {
				known[addr] = true
			}
		}
		for _, addr := range addrs {
			known[addr.Unmap()] = true
		}
	}
	g.known = known
}

var (
	// thisNetwork is RFC 1122's "this host on this network", of which 0.0.0.0 leads to the machine
	// itself.
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	broadcast   = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour   = netip.MustParsePrefix("2002::/16")
	// metadata are the services of clouds that are not at a link-local address.
	metadata = map[netip.Addr]bool{
		netip.MustParseAddr("fd00:ec2::254"):   true, // AWS, instance metadata
		netip.MustParseAddr("fd00:ec2::23"):    true, // AWS, EKS Pod Identity
		netip.MustParseAddr("fd20:ce::254"):    true, // Google
		netip.MustParseAddr("168.63.129.16"):   true, // Azure, WireServer
		netip.MustParseAddr("100.100.100.200"): true, // Alibaba
		netip.MustParseAddr("192.0.0.192"):     true, // Oracle
	}
)

// reachedBy are the address itself and the IPv4 address within it that a gateway, or the kernel,
// would lead to.
func reachedBy(addr netip.Addr) []netip.Addr {
	addr = addr.WithZone("").Unmap()
	out := []netip.Addr{addr}
	if addr.Is4() {
		return out
	}
	b := addr.As16()
	switch {
	case nat64.Contains(addr):
		out = append(out, netip.AddrFrom4([4]byte(b[12:])))
	case sixToFour.Contains(addr):
		out = append(out, netip.AddrFrom4([4]byte(b[2:6])))
	}
	return out
}

// plainHost is a host without the brackets of IPv6, in lower case, and without the dot that ends a
// complete name.
func plainHost(host string) string {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func notAllowed(format string, args ...any) error {
	return filestore.NewConfigError(filestore.ErrEndpointNotAllowed,
		"the endpoint may not be used: "+format+". Name another, or start the operator with --allow-local-endpoints if that is meant", args...)
}
