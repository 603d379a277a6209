// Package progress records in status.progress how far uploads are. A part that has landed marks its
// upload; the replica that took it lists the parts in object storage, once per interval at most,
// and applies what it found. It never overwrites the last progress, which is the reconciler's to
// write.
//
// Start with Recorder. The package imports the API's types, the domain, what parts in object
// storage are, and how stores share workers.
package progress
