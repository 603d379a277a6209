// Package controllers reconciles MultipartUploads and FileStores. It is the only package that
// opens, completes and aborts uploads in object storage; it moves no bytes.
//
// A MultipartUpload goes through these states (condition reasons). Each pass is gather → decide →
// act → report:
//
//	            ┌───────── FileBusy, VersionConflict, StoreNotFound, … (nothing is open yet)
//	            ▼
//	Pending ──▶ Uploading ──desiredState: Completed──▶ Completing ──▶ Completed
//	                │                                      │
//	                │                                      └─▶ PartsMissing, PartsInvalid, VersionConflict
//	                │                                              │ (abort or expiry only)
//	                ├──desiredState: Aborted, or deleted──▶ Aborting ──▶ Aborted
//	                ├──expirationTime──▶ Expiring ──▶ Expired
//	                └──gone from object storage──▶ UploadLost
//
// Start with multipartupload_controller.go, which has the pass and what triggers it. The decision
// alone is elsewhere, in internal/upload, which is pure. The other files of a MultipartUpload are
// the steps before and after it: observe, act, status, record. filestore_controller.go probes
// FileStores, orphan_sweep.go finds uploads in object storage that nobody owns.
//
// The package imports api, internal/catalog, internal/filestore, internal/sharing and
// internal/upload; never the data plane.
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
