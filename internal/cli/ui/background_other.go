//go:build !unix

package ui

// ignoreBackground does nothing: there are no background jobs of a terminal.
func ignoreBackground() {}
