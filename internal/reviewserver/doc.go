// Package reviewserver serves admission reviews over TLS. The API server is who is meant to call,
// but whoever reaches the port can, so everything that a caller can cost is bounded: connections,
// the memory of bodies, reviews at once, and time. No caller address can take all of any of it.
//
// Start with server.go; body.go is a review's way in. The package imports internal/connlimit and
// internal/sharing.
package reviewserver
