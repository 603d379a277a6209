package v1alpha1

// Conditions of a MultipartUpload. Each is True, False or absent; kstatus reads Ready and Stalled.
const (
	// ConditionInitiated is True once object storage has opened the upload (status.uploadID). It
	// stays True.
	ConditionInitiated = "Initiated"
	// ConditionCompleted is True once the file is assembled. It is final then.
	ConditionCompleted = "Completed"
	// ConditionReady is True once the file can be read. Of a FileStore: once its bucket was reached
	// with its credentials.
	ConditionReady = "Ready"
	// ConditionProtected of a FileStore is True while its object storage was seen to do all that
	// keeps files safe, False while it is not; absent while it is not known. Nothing else follows
	// from it: the store is used all the same.
	ConditionProtected = "Protected"
	// ConditionInUse of a FileStore is True while it is being deleted and uploads are open in it;
	// otherwise it is absent.
	ConditionInUse = "InUse"
	// ConditionUploadsLost of a FileStore is True while there are records of uploads that object
	// storage has deleted on its own; otherwise it is absent.
	ConditionUploadsLost = "UploadsLost"
	// ConditionTTLLimited of a MultipartUpload is True while its ttl is longer than its store
	// allows, which counts instead; otherwise it is absent. Nothing else follows from it: the
	// upload goes on.
	ConditionTTLLimited = "TTLLimited"
	// ConditionConsentOverdue of a FileStore is True while it goes on with a Secret that does not
	// name it in AnnotationStores, because it did before Secrets were asked; otherwise it is
	// absent.
	ConditionConsentOverdue = "ConsentOverdue"
	// ConditionOverlapping of a FileStore is True while keys of it can be those of another one, and
	// both go on because they did before that was refused; otherwise it is absent.
	ConditionOverlapping = "Overlapping"
	// ConditionStalled is True when nothing will change by itself any more: the upload was aborted,
	// expired or lost, or someone has to act on it. It is removed when that has passed.
	ConditionStalled = "Stalled"
)

// Reasons of the conditions of a MultipartUpload. An event that tells of the same thing has the
// same reason.
const (
	// ReasonPending (Initiated, Completed, Ready False): the reconciler has not come to it yet.
	// Transient.
	ReasonPending = "Pending"
	// ReasonInitiated (Initiated True): object storage has opened the upload.
	ReasonInitiated = "Initiated"
	// ReasonUploading (Completed, Ready False): parts are taken. Transient.
	ReasonUploading = "Uploading"
	// ReasonCompleting (Completed, Ready False): the file is being assembled. Transient.
	ReasonCompleting = "Completing"
	// ReasonCompleted (Completed, Ready True): the file is there. Final.
	ReasonCompleted = "Completed"
	// ReasonAborting (Completed, Ready False): the parts are being deleted at the owner's wish.
	// Transient.
	ReasonAborting = "Aborting"
	// ReasonAborted (Completed, Ready False, Stalled True): the parts were deleted at the owner's
	// wish. Final.
	ReasonAborted = "Aborted"
	// ReasonExpiring (Completed, Ready False): the parts are being deleted because the upload's
	// time is over. Transient.
	ReasonExpiring = "Expiring"
	// ReasonExpired (Completed, Ready False, Stalled True): the parts were deleted because the
	// upload's time was over. Final.
	ReasonExpired = "Expired"
	// ReasonUploadLost (Completed, Ready False, Stalled True): object storage no longer knows the
	// upload, and the file is not its result. Final.
	ReasonUploadLost = "UploadLost"
	// ReasonStatusMismatch (Ready False, Stalled True): the status says what does not follow from
	// the rest of the record and its FileStore, such as the key of another file. The operator has
	// not written it, and nothing is done with the upload, which does not expire either. Final but
	// for a deletion.
	ReasonStatusMismatch = "StatusMismatch"
	// ReasonFileBusy (Initiated, Ready False, Stalled True): an older upload of the same file is
	// open. Ends when that one does.
	ReasonFileBusy = "FileBusy"
	// ReasonVersionConflict (Ready False, Stalled True): the file is not at the version that
	// spec.ifMatch names, or exists although spec.ifMatch is absent. Final but for an abort.
	ReasonVersionConflict = "VersionConflict"
	// ReasonPartsMissing (Completed, Ready False, Stalled True): the parts are not exactly 1..N, so
	// there is nothing to assemble. Final but for an abort.
	ReasonPartsMissing = "PartsMissing"
	// ReasonPartsInvalid (Completed, Ready False, Stalled True): object storage refuses to assemble
	// these parts, such as one that is too small in the middle. Final but for an abort.
	ReasonPartsInvalid = "PartsInvalid"
	// ReasonCompletionRefused (Completed, Ready False, Stalled True): object storage has answered
	// No to the assembly for a minute or longer, for a reason that no other names. It is asked
	// again, with growing pauses; an abort, the upload's expiration and the deletion of its record
	// end it.
	ReasonCompletionRefused = "CompletionRefused"
	// ReasonOpeningRefused (Initiated, Ready False, Stalled True): object storage has answered No
	// to the opening of the upload for ten seconds or longer, for a reason that no other names. It
	// is asked again, with growing pauses; an abort and the deletion of its record end it.
	ReasonOpeningRefused = "OpeningRefused"
	// ReasonSizeMismatch (Completed, Ready False, Stalled True): the parts do not have the size
	// together that spec.size declares. Final but for an abort.
	ReasonSizeMismatch = "SizeMismatch"
	// ReasonTooManyBytes (Ready False, Stalled True): with the declared size the namespace would
	// hold more incomplete bytes than the store allows. Ends when other uploads do.
	ReasonTooManyBytes = "TooManyBytes"
	// ReasonInvalidKey (Initiated, Ready False, Stalled True): object storage cannot store a file
	// of this path. Final.
	ReasonInvalidKey = "InvalidKey"
	// ReasonStoreNotFound (Ready False, Stalled True): the FileStore does not exist, or there is no
	// default. Ends when there is one.
	ReasonStoreNotFound = "StoreNotFound"
	// ReasonStoreNotAllowed (Ready False, Stalled True): the FileStore's namespaceSelector does not
	// take this namespace.
	ReasonStoreNotAllowed = "StoreNotAllowed"
	// ReasonTooManyOpenUploads (Ready False, Stalled True): the namespace has as many uploads open
	// as the store allows. Ends when one of them does.
	ReasonTooManyOpenUploads = "TooManyOpenUploads"
	// ReasonMaxUploadTTL (TTLLimited True): spec.ttl is longer than limits.maxUploadTTL of the
	// FileStore. Ends when one of them is changed.
	ReasonMaxUploadTTL = "MaxUploadTTL"
	// ReasonStoreUnavailable (Ready False): object storage cannot be reached or refuses the
	// credentials; it is tried again. Transient.
	ReasonStoreUnavailable = "StoreUnavailable"
	// ReasonCleanupAbandoned (event only): the upload was deleted while its store could not be
	// reached for so long that the finalizer gave up; its parts may still be in object storage.
	ReasonCleanupAbandoned = "CleanupAbandoned"
)

// Reasons of the conditions of a FileStore.
const (
	// ReasonProbed (Ready True): the bucket was reached, the credentials are good, and the
	// capabilities are known.
	ReasonProbed = "Probed"
	// ReasonSecretNotFound (Ready False, Stalled True): the Secret is missing, lacks a key, or has
	// under it what is no credential. Ends when it is there.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretWithoutConsent (Ready False, Stalled True; ConsentOverdue True): the Secret does
	// not name the FileStore in AnnotationStores. Ends when it does.
	ReasonSecretWithoutConsent = "SecretWithoutConsent"
	// ReasonPrefixOverlap (Ready False, Stalled True; Overlapping True): another FileStore has the
	// same bucket, and a prefix that is the beginning of this one's, or the reverse. Ends when one
	// of them goes.
	ReasonPrefixOverlap = "PrefixOverlap"
	// ReasonInvalidConfiguration (Ready False, Stalled True): the spec cannot be used as it is,
	// such as a CA bundle that is not PEM.
	ReasonInvalidConfiguration = "InvalidConfiguration"
	// ReasonEndpointNotAllowed (Ready False, Stalled True): spec.endpoint is, or leads to, an
	// address that only the operator can reach: of its own pod or node, of a cloud's metadata
	// service, or of the API server. Ends with another endpoint.
	ReasonEndpointNotAllowed = "EndpointNotAllowed"
	// ReasonBucketNotFound (Ready False, Stalled True): the endpoint answers, but has no such
	// bucket.
	ReasonBucketNotFound = "BucketNotFound"
	// ReasonAccessDenied (Ready False, Stalled True): the endpoint refuses the credentials.
	ReasonAccessDenied = "AccessDenied"
	// ReasonUnreachable (Ready False): the endpoint does not answer, and has not for 15 seconds if
	// the store was ready. Transient; it is probed again.
	ReasonUnreachable = "Unreachable"
	// ReasonIntegrityUnsupported (Ready False, Stalled True): the backend has no payload mode in
	// which a body that is cut short leaves nothing behind.
	ReasonIntegrityUnsupported = "IntegrityUnsupported"
	// ReasonPartsNotReplaced (Ready False, Stalled True): the backend does not let a part that is
	// sent again take the place of the one before it, so an upload whose connection broke once
	// could never be completed.
	ReasonPartsNotReplaced = "PartsNotReplaced"
	// ReasonProtected (Protected True): of racing writers one wins, damaged bytes are refused, and
	// uploads that no record owns are found.
	ReasonProtected = "Protected"
	// ReasonNoChecksums (Protected False): bytes that are damaged on their way to the backend are
	// not noticed, but for what TLS notices.
	ReasonNoChecksums = "NoChecksums"
	// ReasonNoConditions (Protected False): the backend does not compare the file that is replaced
	// with what the writer has seen, in one of the ways to write; the message says in which.
	ReasonNoConditions = "NoConditions"
	// ReasonNoUploadListing (Protected False): uploads that no record owns are not found.
	ReasonNoUploadListing = "NoUploadListing"
	// ReasonUploadsOpen (InUse True): the FileStore is being deleted and goes when the uploads that
	// are open in it have ended.
	ReasonUploadsOpen = "UploadsOpen"
	// ReasonReapedByBackend (UploadsLost True): object storage no longer knew uploads that nobody
	// had ended. Ends when their records go.
	ReasonReapedByBackend = "ReapedByBackend"
	// ReasonOrphanFound (event only): the sweep found an upload in object storage that no
	// MultipartUpload owns.
	ReasonOrphanFound = "OrphanFound"
)

// Names that are part of the API beside the schema.
const (
	// FinalizerAbortUpload keeps a MultipartUpload until its parts are gone from object storage, or
	// the reconciler has given up.
	FinalizerAbortUpload = GroupName + "/abort-upload"
	// FinalizerHoldStore keeps a FileStore until no upload is open in it.
	FinalizerHoldStore = GroupName + "/hold-store"
	// AnnotationDefaultStore marks the FileStore, with the value "true", that is used where no
	// other is named.
	AnnotationDefaultStore = GroupName + "/is-default-store"
	// AnnotationNamespaceStore, on a Namespace, names the FileStore that its uploads use by
	// default.
	AnnotationNamespaceStore = GroupName + "/store"
	// AnnotationStores, on a Secret in the operator's namespace, names the FileStores that may use
	// it, separated by commas; "*" stands for all.
	AnnotationStores = GroupName + "/stores"
	// AnnotationAnswered is set on a MultipartUpload that was started over REST without an
	// Idempotency-Key when its client was told of it and has sent no part for a second. Without it,
	// and without parts, a start that is sent again by the same caller gets the upload.
	AnnotationAnswered = GroupName + "/start-answered"
	// LabelCreatedThrough says how a MultipartUpload was created; only those with the value
	// CreatedThroughREST are deleted when finishedTTL is over.
	LabelCreatedThrough = GroupName + "/created-through"
	// CreatedThroughREST is the value of LabelCreatedThrough for uploads that were opened over
	// REST.
	CreatedThroughREST = "rest"
	// SecretKeyAccessKeyID, SecretKeySecretAccessKey and SecretKeySessionToken are the keys of a
	// store's Secret where the FileStore names no others.
	SecretKeyAccessKeyID     = "accessKeyID"
	SecretKeySecretAccessKey = "secretAccessKey"
	SecretKeySessionToken    = "sessionToken"
)
