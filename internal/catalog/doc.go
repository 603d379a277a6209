// Package catalog finds what the cluster knows: the MultipartUploads of a file, the FileStore that
// serves a namespace, and what a namespace holds in a FileStore. The data plane, the reconcilers
// and the webhooks all ask here. The informer cache answers, without copies: what is returned
// belongs to the cache and must not be changed. What the cache cannot decide is asked of the API
// server by the methods that have Live in their names.
//
// It imports api and internal/upload, and knows neither object storage nor HTTP. Start reading with
// Catalog; records.go, stores.go and await.go are the three questions.
package catalog
