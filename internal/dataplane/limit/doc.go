// Package limit has one limiter for all that is counted by a key: rates, of which what is taken too
// early is owed, and amounts that are held for a while. Keys that are as good as new are forgotten,
// so that whoever invents keys takes no memory for long.
//
// Start with Keyed. The package imports nothing of this project: what a refusal is answered with is
// its callers' business.
package limit
