// Package doctor examines an installation from where its user is: the Kubernetes API, the kinds,
// the operator, the store of the namespace, the REST API with the way to it, and the caller's
// rights.
//
// Start with doctor.go, which has the order of the checks; each of the other files has those of one
// thing.
package doctor
