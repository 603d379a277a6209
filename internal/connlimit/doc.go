// Package connlimit bounds how many TCP connections a server has open, so that strangers with
// nothing but a network cannot take the memory of the server, nor all of its places from callers
// whom it knows.
//
// A Listener hands out connections up to a limit. At the limit it closes those that nobody needs:
// idle ones, and ones whose caller has proved nothing. What finds no place then waits for one, at
// the price of a file descriptor alone. One address takes at most three times as many places as are
// free: it is bounded only while most places are taken, so that a gateway, which is one address,
// gets three quarters of them.
//
// Start with Listener. The package imports nothing of this project.
package connlimit
