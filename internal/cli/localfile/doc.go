// Package localfile is the side of a transfer that is on this machine: which files an argument
// means, what a file of the server may be called here, and how one is written so that its name
// stands for whole files only.
//
// Start with find.go for what is sent, with target.go for what is received.
package localfile
