// Package dataplane serves the IoT File Service API over HTTP/1.1, with TLS or without: it moves
// the bytes of parts and files between clients and object storage, deletes and finds files, and
// records what clients want of an upload in its MultipartUpload. It never opens, completes or
// aborts an upload in object storage: its Store has no such methods.
//
// The server, the routes and one file per request are here; what requests have in common has rooms
// of its own below: apierror (errors that answer), precondition (conditions and ranges), content
// (what a client says of a file), search, limit (rates by key), transfer (the way of bytes). None
// of them imports this package, nor knows an HTTP status but apierror.
//
// Start with serve.go, which takes a request from its header to its handler; part.go is the hot
// path. routes.go parses paths and queries, server.go listens and drains.
//
// Rights that the package uses:
//
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads/status,verbs=patch
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads/guard,verbs=override
// +kubebuilder:rbac:groups=iotfile.dev,resources=filestores,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
package dataplane
