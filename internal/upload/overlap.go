package upload

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Overlap reports whether a key of one FileStore can be that of the other, or is found by a search
// of the other for orphans: both have one bucket, and the prefix of one is the beginning of the
// other's. Prefixes that are equally long and different never overlap. Names that lead to one
// service by DNS alone are not seen through.
func Overlap(a, b *v1alpha1.FileStoreSpec) bool {
	return a.Bucket == b.Bucket && (strings.HasPrefix(a.Prefix, b.Prefix) || strings.HasPrefix(b.Prefix, a.Prefix)) &&
		serviceOf(a.Endpoint) == serviceOf(b.Endpoint)
}

// serviceOf is what endpoints of one service have in common: the host, however it is written, and
// the port, if it is not that of the scheme. All of Amazon's endpoints serve one set of buckets,
// but for those of partitions of their own.
func serviceOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	host, port := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), u.Port()
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String()
	}
	if port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		port = ""
	}
	switch {
	case strings.Contains(host, ".us-gov-") && strings.HasSuffix(host, ".amazonaws.com"):
		return "us-gov.amazonaws.com"
	case strings.HasSuffix(host, ".amazonaws.com"):
		return "amazonaws.com"
	case strings.HasSuffix(host, ".amazonaws.com.cn"):
		return "amazonaws.com.cn"
	}
	return net.JoinHostPort(host, port)
}
