package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DesiredState is what the owner of an upload wants to become of it. It only moves forward, in the
// order of the constants below, and Completed moves to Aborted only once the completion has failed
// for good (condition Stalled).
//
// +kubebuilder:validation:Enum=Uploading;Completed;Aborted
type DesiredState string

const (
	// DesiredStateUploading takes parts.
	DesiredStateUploading DesiredState = "Uploading"
	// DesiredStateCompleted takes no more parts and assembles the file.
	DesiredStateCompleted DesiredState = "Completed"
	// DesiredStateAborted takes no more parts and deletes those that arrived.
	DesiredStateAborted DesiredState = "Aborted"
)

// UploadPhase is the one-word summary that `kubectl get` prints. It is derived from conditions when
// the status is written; no code reads it back.
//
// +kubebuilder:validation:Enum=Pending;Uploading;Completing;Completed;Aborting;Aborted;Expiring;Expired;Stalled
type UploadPhase string

const (
	// PhasePending means that object storage has not yet been asked to open the upload, or has not
	// yet answered.
	PhasePending UploadPhase = "Pending"
	// PhaseUploading means that parts are taken.
	PhaseUploading UploadPhase = "Uploading"
	// PhaseCompleting means that the file is being assembled.
	PhaseCompleting UploadPhase = "Completing"
	// PhaseCompleted means that the file is there. Final.
	PhaseCompleted UploadPhase = "Completed"
	// PhaseAborting means that the parts are being deleted at the owner's wish.
	PhaseAborting UploadPhase = "Aborting"
	// PhaseAborted means that the parts were deleted at the owner's wish. Final.
	PhaseAborted UploadPhase = "Aborted"
	// PhaseExpiring means that the parts are being deleted because the upload's time is over.
	PhaseExpiring UploadPhase = "Expiring"
	// PhaseExpired means that the parts were deleted because the upload's time was over. Final.
	PhaseExpired UploadPhase = "Expired"
	// PhaseStalled means that the upload cannot go on by itself; condition Stalled says why and
	// what to do.
	PhaseStalled UploadPhase = "Stalled"
)

// MultipartUploadSpec is what is to be uploaded, and what is wanted of the upload. Everything but
// desiredState, finalPartNumber and ttl is immutable.
//
// +kubebuilder:validation:XValidation:rule="has(self.storeName) == has(oldSelf.storeName) && (!has(self.storeName) || self.storeName == oldSelf.storeName)",message="storeName is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="self.entityID == oldSelf.entityID",message="entityID is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="self.path == oldSelf.path",message="path is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.contentType) == has(oldSelf.contentType) && (!has(self.contentType) || self.contentType == oldSelf.contentType)",message="contentType is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.contentEncoding) == has(oldSelf.contentEncoding) && (!has(self.contentEncoding) || self.contentEncoding == oldSelf.contentEncoding)",message="contentEncoding is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.contentLanguage) == has(oldSelf.contentLanguage) && (!has(self.contentLanguage) || self.contentLanguage == oldSelf.contentLanguage)",message="contentLanguage is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.contentDisposition) == has(oldSelf.contentDisposition) && (!has(self.contentDisposition) || self.contentDisposition == oldSelf.contentDisposition)",message="contentDisposition is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.cacheControl) == has(oldSelf.cacheControl) && (!has(self.cacheControl) || self.cacheControl == oldSelf.cacheControl)",message="cacheControl is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.description) == has(oldSelf.description) && (!has(self.description) || self.description == oldSelf.description)",message="description is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.timestamp) == has(oldSelf.timestamp) && (!has(self.timestamp) || self.timestamp == oldSelf.timestamp)",message="timestamp is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.ifMatch) == has(oldSelf.ifMatch) && (!has(self.ifMatch) || self.ifMatch == oldSelf.ifMatch)",message="ifMatch is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="has(self.createdBy) == has(oldSelf.createdBy) && (!has(self.createdBy) || self.createdBy == oldSelf.createdBy)",message="createdBy is immutable"
// +kubebuilder:validation:XValidation:rule="has(self.idempotencyKey) == has(oldSelf.idempotencyKey) && (!has(self.idempotencyKey) || self.idempotencyKey == oldSelf.idempotencyKey)",message="idempotencyKey is immutable"
// +kubebuilder:validation:XValidation:rule="has(self.requestTime) == has(oldSelf.requestTime) && (!has(self.requestTime) || self.requestTime == oldSelf.requestTime)",message="requestTime is immutable"
// +kubebuilder:validation:XValidation:rule="has(self.size) == has(oldSelf.size) && (!has(self.size) || self.size == oldSelf.size)",message="size is immutable: create another MultipartUpload instead"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.finalPartNumber) || (has(self.finalPartNumber) && self.finalPartNumber == oldSelf.finalPartNumber)",message="finalPartNumber is write-once: it fixes where the last part's bytes go"
type MultipartUploadSpec struct {
	// storeName is the name of the FileStore that takes the file. Immutable.
	//
	// When it is left out, the namespace's store is used: the one that the namespace's annotation
	// "iotfile.dev/store" names, else the FileStore that is annotated
	// "iotfile.dev/is-default-store: \"true\"". status.storeName says which one it was.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StoreName string `json:"storeName,omitempty"`

	// entityID names the asset or device that the file belongs to: 32 lower-case hexadecimal
	// digits. Immutable.
	//
	// +required
	// +kubebuilder:validation:MinLength=32
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-f0-9]{32}$')",message="entityID must be 32 lower-case hexadecimal digits, like 0123456789abcdef0123456789abcdef"
	EntityID string `json:"entityID,omitempty"`

	// path is the file's path below the entity: segments separated by "/", as in
	// "logs/2026/engine.bin". Immutable.
	//
	// A segment may hold any UTF-8 text but control characters, U+FFFE and U+FFFF, and is neither
	// empty nor "." nor "..". Prefix, namespace, entity and path together are at most 1024 bytes
	// long, the limit of an S3 object key.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.endsWith('/') && !self.contains('//')",message="path must not start or end with a slash or hold an empty segment"
	// +kubebuilder:validation:XValidation:rule="!('/' + self + '/').contains('/./') && !('/' + self + '/').contains('/../')",message="path must not hold the segments . or .."
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\x00-\\\\x1f\\\\x7f-\\\\x{9f}\\\\x{fffe}\\\\x{ffff}]')",message="path must not hold control characters, U+FFFE or U+FFFF"
	Path string `json:"path,omitempty"`

	// contentType is the media type that the file is served with, as in "application/zip", but for
	// multipart/form-data. Immutable.
	//
	// +optional
	// +kubebuilder:default="application/octet-stream"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[^\\\\x20-\\\\x7e]')",message="contentType must be printable ASCII"
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().startsWith('multipart/form-data')",message="contentType must not be multipart/form-data, which object stores take for a form of their own"
	ContentType string `json:"contentType,omitempty"`

	// contentEncoding is the Content-Encoding header that the file is served with: the codings that
	// its bytes have, such as "gzip". Immutable.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[^\\\\x20-\\\\x7e]')",message="contentEncoding must be printable ASCII"
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().contains('aws-chunked')",message="contentEncoding must not name aws-chunked, which is a framing of requests to object stores and not of files"
	ContentEncoding string `json:"contentEncoding,omitempty"`

	// contentLanguage is the Content-Language header that the file is served with, such as "de,
	// en". Immutable.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[^\\\\x20-\\\\x7e]')",message="contentLanguage must be printable ASCII"
	ContentLanguage string `json:"contentLanguage,omitempty"`

	// contentDisposition is the Content-Disposition header that the file is served with, such as
	// "attachment; filename=report.pdf". Immutable.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.matches('[^\\\\x20-\\\\x7e]')",message="contentDisposition must be printable ASCII"
	ContentDisposition string `json:"contentDisposition,omitempty"`

	// cacheControl is the Cache-Control header that the file is served with, such as
	// "max-age=3600". Whatever it says, it is served with "private". Immutable.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[^\\\\x20-\\\\x7e]')",message="cacheControl must be printable ASCII"
	CacheControl string `json:"cacheControl,omitempty"`

	// description is free text that is kept with the file, 100 characters at most. Immutable.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Description string `json:"description,omitempty"`

	// timestamp is a time that is kept with the file, such as when its content was recorded, as in
	// "2026-01-02T03:04:05.678Z". Immutable.
	//
	// It is kept as it is written: metav1.Time would cut off what is less than a second.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:XValidation:rule="self.getFullYear() > 0",message="timestamp must be a time of a year from 1 to 9999, as in 2026-01-02T03:04:05.678Z"
	Timestamp string `json:"timestamp,omitempty"`

	// ifMatch is the version (the integer ETag) of the existing file that this upload replaces.
	// Immutable.
	//
	// When it is left out, the file must not exist. Either way the comparison is repeated,
	// atomically, when the file is assembled: of two uploads that race for one file exactly one
	// wins.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740990
	IfMatch *int64 `json:"ifMatch,omitempty"`

	// size is how many bytes the finished file will have, if that is known. Immutable. An upload
	// whose parts have another size together is not completed; and the whole size counts against
	// the store's maxIncompleteBytesPerNamespace from the start, so that an upload that was opened
	// has room to end.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=54975581388800
	Size *int64 `json:"size,omitempty"`

	// createdBy is the user or service account that asked for the upload. Immutable.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	CreatedBy string `json:"createdBy,omitempty"`

	// idempotencyKey is the Idempotency-Key header of the REST request that opened the upload, so
	// that a repeated request gets the first answer again. Immutable.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	IdempotencyKey string `json:"idempotencyKey,omitempty"`

	// requestTime is when the upload was asked for; the operator fills it in. Immutable. A record
	// that is minutes younger was restored from a backup, without the status that knew its parts:
	// it is not opened anew (UploadLost). Leave it out of manifests.
	//
	// +optional
	RequestTime *metav1.Time `json:"requestTime,omitempty"`

	// desiredState is what is to become of the upload: Uploading takes parts, Completed assembles
	// the file, Aborted deletes the parts. It only moves forward:
	//
	//	kubectl patch mpu NAME --type merge -p '{"spec":{"desiredState":"Completed"}}'
	//
	// Deleting the MultipartUpload aborts it too.
	//
	// +optional
	// +kubebuilder:default=Uploading
	// +kubebuilder:validation:XValidation:rule="self == oldSelf || oldSelf == 'Uploading' || (oldSelf == 'Completed' && self == 'Aborted')",message="desiredState only moves forward: Uploading, Completed, Aborted"
	DesiredState DesiredState `json:"desiredState,omitempty"`

	// finalPartNumber is the number of the last part, fixed before that part's bytes are streamed,
	// so that a repeated completion cannot append them twice. Write-once; set by the REST request
	// that completes with a body.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	FinalPartNumber *int32 `json:"finalPartNumber,omitempty"`

	// ttl is how long the upload may stay incomplete, counted from status.startTime; then its parts
	// are deleted. The default is the store's uploadTTL, 48h. It may be changed while the upload is
	// open. Where the store has a limits.maxUploadTTL, the shorter of the two counts.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$') && duration(self) > duration('0s') && duration(self) <= duration('8760h')",message="ttl must be a duration such as 90m or 48h, positive and at most 8760h"
	TTL *metav1.Duration `json:"ttl,omitempty"`
}

// UploadProgress is how far an upload is. It is written by the data plane alone, every 15 seconds
// at most, and by the reconciler once more when the upload takes no more parts; counts and times
// only, since object storage is the ledger of parts.
//
// +kubebuilder:validation:MinProperties=1
type UploadProgress struct {
	// parts is the number of parts that object storage holds.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Parts *int32 `json:"parts,omitempty"`

	// bytes is the sum of the sizes of those parts, in bytes.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Bytes *int64 `json:"bytes,omitempty"`

	// displayBytes is bytes in readable form, as in "96 MiB". For people and print columns; no code
	// reads it.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	DisplayBytes string `json:"displayBytes,omitempty"`

	// percent is how much of spec.size has arrived; absent where no size was declared.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`

	// lastPartTime is when the newest of those parts was stored.
	//
	// +optional
	LastPartTime *metav1.Time `json:"lastPartTime,omitempty"`

	// missingTime is when object storage last answered a client's request that it does not know the
	// upload, told once a minute at most. The reconciler looks at once whether it was lost.
	//
	// +optional
	MissingTime *metav1.Time `json:"missingTime,omitempty"`
}

// MultipartUploadStatus is what became of the upload so far. The reconciler writes all of it but
// progress.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.uploadID) || (has(self.uploadID) && self.uploadID == oldSelf.uploadID)",message="uploadID is write-once"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.objectKey) || (has(self.objectKey) && self.objectKey == oldSelf.objectKey)",message="objectKey is write-once"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.startTime) || (has(self.startTime) && self.startTime == oldSelf.startTime)",message="startTime is write-once"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.baseETag) || (has(self.baseETag) && self.baseETag == oldSelf.baseETag)",message="baseETag is write-once"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.storeName) || (has(self.storeName) && self.storeName == oldSelf.storeName)",message="storeName is write-once"
type MultipartUploadStatus struct {
	// phase sums the conditions up in one word. For people and print columns; no code reads it.
	//
	// +optional
	Phase UploadPhase `json:"phase,omitempty"`

	// storeName is the FileStore that takes the file: spec.storeName, or what the namespace's
	// default was when the upload was opened. Write-once.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StoreName string `json:"storeName,omitempty"`

	// uploadID is object storage's id of the multipart upload. Write-once.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	UploadID string `json:"uploadID,omitempty"`

	// objectKey is the key of the file in the store's bucket. Write-once. For people: the operator
	// computes the key anew from prefix, namespace, entityID and path, and does nothing where the
	// two differ.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	ObjectKey string `json:"objectKey,omitempty"`

	// startTime is when object storage opened the upload. Write-once.
	//
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// expirationTime is when the upload's parts are deleted if it is still incomplete. For people:
	// the operator computes it anew from startTime and the ttl.
	//
	// +optional
	ExpirationTime *metav1.Time `json:"expirationTime,omitempty"`

	// completionTime is when the upload ended: completed, aborted or expired.
	//
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// fileVersion is the version (the integer ETag) that the finished file has: 0 for a new file,
	// one more than spec.ifMatch for an update. Fixed when the upload is opened.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	FileVersion *int64 `json:"fileVersion,omitempty"`

	// baseETag is object storage's ETag of the file that the upload replaces, as it was when the
	// upload was opened. The file must still have it when it is replaced: its version alone begins
	// at 0 again after a deletion. Write-once.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	BaseETag string `json:"baseETag,omitempty"`

	// size is the size of the finished file in bytes.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Size *int64 `json:"size,omitempty"`

	// checksum is the checksum of the finished file as object storage computed it, as in
	// "crc64nvme:MN2ofvMjpIQ=" (base64). Absent where the store keeps none.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Checksum string `json:"checksum,omitempty"`

	// progress is how far the upload is, at most 15 seconds old while parts arrive.
	//
	// +optional
	Progress *UploadProgress `json:"progress,omitempty"`

	// observedGeneration is the metadata.generation that this status speaks of; -1 before the
	// operator has looked at the upload for the first time.
	//
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// conditions are Initiated, Completed, Ready, Stalled and TTLLimited; `kubectl wait
	// --for=condition=Ready` waits for the finished file. Their reasons are listed in the
	// documentation of the kind.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MultipartUpload is one upload of one file, part by part, into a FileStore.
//
// It is usually created by the REST API, but kubectl and GitOps can create, complete and abort it
// as well; only the bytes of the parts have to go through the REST API. Incomplete uploads are
// deleted, parts and all, when their ttl is over.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mpu,categories=iotfile
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Path",type=string,JSONPath=`.spec.path`
// +kubebuilder:printcolumn:name="Parts",type=integer,JSONPath=`.status.progress.parts`
// +kubebuilder:printcolumn:name="Bytes",type=string,JSONPath=`.status.progress.displayBytes`
// +kubebuilder:printcolumn:name="Percent",type=integer,JSONPath=`.status.progress.percent`
// +kubebuilder:printcolumn:name="Expires",type=string,format=date-time,JSONPath=`.status.expirationTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Store",type=string,priority=1,JSONPath=`.status.storeName`
// +kubebuilder:printcolumn:name="Entity",type=string,priority=1,JSONPath=`.spec.entityID`
// +kubebuilder:printcolumn:name="Started",type=string,format=date-time,priority=1,JSONPath=`.status.startTime`
// +kubebuilder:validation:XValidation:rule="self.spec.desiredState != 'Aborted' || oldSelf.spec.desiredState != 'Completed' || (has(oldSelf.status) && has(oldSelf.status.conditions) && oldSelf.status.conditions.exists(c, c.type == 'Stalled' && c.status == 'True'))",message="the file is being assembled, or is complete: it can be aborted only if the completion fails (condition Stalled)"
type MultipartUpload struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is what is to be uploaded, and what is wanted of the upload.
	//
	// +required
	Spec MultipartUploadSpec `json:"spec,omitzero"`

	// status is what became of the upload so far.
	//
	// A new one speaks of no generation: tools that go by kstatus take an object without any status
	// for one that is ready.
	//
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status MultipartUploadStatus `json:"status,omitempty,omitzero"`
}

// MultipartUploadList is a list of MultipartUploads.
//
// +kubebuilder:object:root=true
type MultipartUploadList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MultipartUpload `json:"items"`
}
