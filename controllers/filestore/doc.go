// Package filestore reconciles FileStores: it probes what a backend can do, with the credentials
// that it has, counts what is open in it, and holds a FileStore that is being deleted until nothing
// is. Start with controller.go; probe.go says when a store is tried, and what its answer means.
// Each other file is one thing that the status tells: consent of the Secret, keys that two stores
// have in common, uploads that the backend has lost, and what is open.
//
// It has its name from the kind; what talks to object storage is internal/filestore.
//
// The package imports api, internal/catalog, internal/failpoint, internal/filestore,
// internal/upload and controllers/reconciler.
package filestore
