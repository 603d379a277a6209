// Package reconciler is what the reconcilers have in common: what they use of object storage, who
// gets their events, how a pass is traced, and how it ends when the process loses its lease.
//
// It is a leaf: it imports api and internal/filestore, and none of the reconcilers. Start with
// store.go.
package reconciler
