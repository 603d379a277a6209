// Package controllers has the reconcilers, one package for each behaviour, and in itself nothing
// but the rights that they use and the tests of all of them together. They are the only code that
// opens, completes and aborts uploads in object storage; they move no bytes. cmd/operator runs them
// on the replica that holds the lease.
//
//	multipartupload   drives each MultipartUpload to what its owner wants of it: start here
//	filestore         probes FileStores
//	orphans           finds uploads in object storage that no MultipartUpload owns
//	abortagain        aborts ended uploads again, for replicas that could not know
//	statemetrics      the metrics of what there is
//	reconciler        what they have in common
//
// Rights that the package uses:
//
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads/status,verbs=patch
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads/guard,verbs=override
// +kubebuilder:rbac:groups=iotfile.dev,resources=filestores,verbs=list;watch;patch
// +kubebuilder:rbac:groups=iotfile.dev,resources=filestores/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=iotfile-system,resources=configmaps,verbs=create;delete;get;list;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",namespace=iotfile-system,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=iotfile-system,resources=leases,verbs=get;create;update
package controllers
