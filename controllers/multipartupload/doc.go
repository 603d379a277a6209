// Package multipartupload reconciles MultipartUploads. It alone opens, completes and aborts uploads
// in object storage on behalf of a record.
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
// Start with controller.go, which has the pass; queue.go has the three controllers that take it,
// and setup.go what triggers them. The decision alone is elsewhere, in internal/upload, which is
// pure. The other files are the steps before and after it: observe, act, status, record.
//
// The package imports api, internal/catalog, internal/failpoint, internal/filestore,
// internal/sharing, internal/upload, and of the reconcilers abortagain, orphans and reconciler.
package multipartupload
