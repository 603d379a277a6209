// Package tcpfault is a TCP proxy on loopback that does to connections what networks do: it delays,
// resets, cuts and blocks them, loses what they carry, and damages it. Connections that are open
// already are hit as well as new ones.
//
// It is for tests, and imports nothing of this project. Faults of HTTP are not here: the programs
// that need them know what the requests mean.
//
// toxiproxy's module cannot stand in: it adds and removes a fault with a lock on all connections
// held, while it waits for a receiver that may not read. docs/development.md tells how to see that.
//
// Start at Proxy.
package tcpfault
