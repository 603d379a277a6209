package main

import (
	"net/url"
	"os"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

// guardStores keeps FileStores away from what only the operator can reach. host is where it reaches
// the API server itself.
func guardStores(o *options, host string) *s3.Guard {
	hosts := []string{os.Getenv("KUBERNETES_SERVICE_HOST"), "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	if u, err := url.Parse(host); err == nil {
		hosts = append(hosts, u.Hostname())
	}
	return s3.NewGuard(o.allowLocalEndpoints, hosts...)
}
