// Package reviewserver serves admission reviews over TLS. The API server is who is meant to call,
// but whoever reaches the port can, so everything that a caller can cost is bounded: connections,
// the memory of bodies, reviews at once, and time. No caller address can take all of any of it.
//
//	server.go    the HTTP server, its time-outs, and what it is for controller-runtime
//	body.go      a review's way in: its body, a place among the reviews, the refusals
//	share.go     places, of which one address gets so many
//	clients.go   client certificates, where only the API server may call
package reviewserver
