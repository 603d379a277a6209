// Package forward reaches the REST API through the API server: it finds the operator's Service in a
// cluster, and opens connections to its pods as `kubectl port-forward` does. Nothing listens on
// this machine, so no other user of it has a way in.
//
// Start with way.go; find.go has the Service, pods.go its pods, trust.go the authorities that its
// certificate is checked with, stream.go one connection.
package forward
