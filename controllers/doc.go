// Package controllers reconciles MultipartUploads and FileStores. It is the only package that
// opens, completes and aborts uploads in object storage; it moves no bytes.
//
// A MultipartUpload goes through these states (condition reasons), each pass being gather → decide
// → act → report:
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
//	multipartupload_controller.go  the pass, and what triggers it
//	multipartupload_observe.go     gather: store, object, ledger of parts
//	internal/upload/decide.go      decide: pure
//	checks.go                     when uploads that take parts are compared with object storage
//	multipartupload_act.go         act: the only calls that change object storage
//	tidying.go                     how fast records are written that nobody waits for
//	own_writes.go                  what was written, until the cache shows it
//	sightings.go                   what has to be seen for a while to be acted on
//	ended_log.go abort_again.go    what has ended is aborted again later
//	multipartupload_cleared.go     what has expired and is gone, but not recorded yet
//	multipartupload_status.go      report: the status, recomputed whole
//	multipartupload_record.go      the record's finalizer, and its end
//	filestore_controller.go        probes FileStores, and counts what is open in them
//	filestore_hold.go              keeps a FileStore while uploads are open in it
//	filestore_reaped.go            warns of uploads that object storage has deleted on its own
//	orphan_sweep.go                finds uploads in object storage that nobody owns
//	known.go live.go              all uploads: of the cache, and of the API server
//	events.go metrics*.go          what people and Prometheus are told
//
// Rights that the package uses:
//
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads/status,verbs=patch
// +kubebuilder:rbac:groups=iotfile.dev,resources=multipartuploads/guard,verbs=override
// +kubebuilder:rbac:groups=iotfile.dev,resources=filestores,verbs=list;watch;patch
// +kubebuilder:rbac:groups=iotfile.dev,resources=filestores/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=iotfile-system,resources=secrets,verbs=list;watch
// +kubebuilder:rbac:groups="",namespace=iotfile-system,resources=configmaps,verbs=create;delete;get;list;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",namespace=iotfile-system,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=iotfile-system,resources=leases,verbs=get;create;update
package controllers
