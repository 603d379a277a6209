//go:build !failpoints

package main

// readTestOptions does nothing in a release.
func readTestOptions(*options) error { return nil }
