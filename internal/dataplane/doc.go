// Package dataplane serves the IoT File Service API over HTTP/1.1, with TLS or without: it moves
// the bytes of parts and files between clients and object storage, deletes and finds files, and
// records what clients want of an upload in its MultipartUpload. It never opens, completes or
// aborts an upload in object storage: its Store has no such methods.
//
//	server.go      listener and drain, with options.go
//	serve.go       one request: who, what, may they, and on to its handler
//	routes.go      paths and queries, parsed by hand: nothing is ever redirected
//	apierror       errors that answer: the one table of them, and the one writer
//	auth.go        who asks, and may they: what internal/identity answers
//	authorize.go   which right a request needs
//	tenant.go      the namespace and its FileStore
//	located.go     where object storage has an upload
//	uploads.go     the window to Kubernetes: look-up, creation, intents
//	waiters.go     waiting for the reconciler, by informer events
//	start.go       PUT ?upload=start, with metadata.go, content_headers.go and part_limits.go
//	part.go        PUT ?part=N, the hot path
//	complete*.go   PUT ?upload=complete: up to the intent, and the answer when it is done
//	abort.go       PUT ?upload=abort
//	parts_list.go  GET /fileslist
//	put.go         PUT of a whole file, with gate.go: the last look before its last byte
//	delete.go      DELETE
//	download.go    GET and HEAD, with conditions.go, strong_dates.go, ranges.go and byteranges.go
//	search.go      GET of an entity, with search_query.go, filter.go, filter_tokens.go and top.go
//	preconditions.go  the conditions of writes
//	admission.go   the budget of parts in flight
//	progress.go    status.progress
//	body.go        inbound bodies: sliding deadlines, causes, bounded drains, announced digests
//	chunked.go     bodies of unknown length
//	middleware.go  request id, access log, panics; metrics.go
//
// Rights that the package uses:
//
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads/status,verbs=patch
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads/guard,verbs=override
// +kubebuilder:rbac:groups=iotfile.dev,resources=filestores,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
package dataplane
