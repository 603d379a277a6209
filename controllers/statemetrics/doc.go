// Package statemetrics tells Prometheus what there is: stores that are ready, uploads that are
// open, stalled or waiting. It counts in the informer cache at each scrape, so that every replica
// tells the same. Start with state.go. What happens is counted where it happens.
//
// The package imports api, internal/catalog and internal/upload, and no reconciler.
package statemetrics
