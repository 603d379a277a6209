package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AddressingStyle is how the bucket's name is sent to the endpoint.
//
// +kubebuilder:validation:Enum=Auto;Path;VirtualHosted
type AddressingStyle string

const (
	// AddressingAuto uses virtual-hosted addresses for the endpoints that are known to need them,
	// else path addresses.
	AddressingAuto AddressingStyle = "Auto"
	// AddressingPath puts the bucket into the path: https://endpoint/bucket/key.
	AddressingPath AddressingStyle = "Path"
	// AddressingVirtualHosted puts the bucket into the host name: https://bucket.endpoint/key.
	AddressingVirtualHosted AddressingStyle = "VirtualHosted"
)

// OrphanPolicy is what happens to an upload in object storage that no MultipartUpload owns.
//
// +kubebuilder:validation:Enum=Auto;Abort;Report
type OrphanPolicy string

const (
	// OrphanPolicyAuto is Abort where the object ".iotfile-cluster" under the prefix, which the
	// first cluster to use it writes, carries this cluster's id, else Report. The id is the UID of
	// the namespace kube-system: a cluster that was restored as a clone has the same.
	OrphanPolicyAuto OrphanPolicy = "Auto"
	// OrphanPolicyAbort deletes its parts.
	OrphanPolicyAbort OrphanPolicy = "Abort"
	// OrphanPolicyReport counts it in an event and a metric, and leaves it.
	OrphanPolicyReport OrphanPolicy = "Report"
)

// UploadListing is how far a store can list the uploads that are open in it.
//
// +kubebuilder:validation:Enum=Prefix;ExactKey;None
type UploadListing string

const (
	// UploadListingPrefix lists all uploads under a prefix: the orphan sweep sees everything.
	UploadListingPrefix UploadListing = "Prefix"
	// UploadListingExactKey lists the uploads of one key only: the orphan sweep sees only keys that
	// it knows.
	UploadListingExactKey UploadListing = "ExactKey"
	// UploadListingNone lists nothing: there is no orphan sweep.
	UploadListingNone UploadListing = "None"
)

// PayloadMode is how the bytes of a part are protected on their way to the store, chosen by what
// the store can do.
//
// +kubebuilder:validation:Enum=TrailingCRC64NVME;TrailingCRC32C;SignedChunks;Unsigned
type PayloadMode string

const (
	// PayloadTrailingCRC64NVME sends an unsigned payload in aws-chunked framing with a trailing
	// CRC64NVME checksum, which the store verifies. The cheapest mode, and the first choice.
	PayloadTrailingCRC64NVME PayloadMode = "TrailingCRC64NVME"
	// PayloadTrailingCRC32C is the same with CRC32C, for stores that do not know CRC64NVME.
	PayloadTrailingCRC32C PayloadMode = "TrailingCRC32C"
	// PayloadSignedChunks signs every chunk with SHA-256 (STREAMING-AWS4-HMAC-SHA256-PAYLOAD).
	// Costs about three times the CPU.
	PayloadSignedChunks PayloadMode = "SignedChunks"
	// PayloadUnsigned sends a plain unsigned payload. Used only where the probe has shown that a
	// body that is cut short leaves no part behind; the bytes are protected by TCP and TLS alone.
	PayloadUnsigned PayloadMode = "Unsigned"
)

// SecretReference names a Secret in the namespace of the operator.
type SecretReference struct {
	// name of the Secret, in the operator's own namespace.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",message="name must be that of a Secret: lower-case letters, digits, dots and dashes"
	Name string `json:"name,omitempty"`

	// keys is under which keys of the Secret its credentials are, where these are not
	// "accessKeyID", "secretAccessKey" and "sessionToken".
	//
	// +optional
	Keys *SecretKeys `json:"keys,omitempty"`
}

// SecretKeys is under which keys of a Secret the credentials for object storage are. Of what is
// left out, the key is the name of the field.
//
// The access key ID and the session token are sent in the clear. So that nobody who may write
// FileStores, and not read Secrets, has a secret access key sent in their place, their keys must
// say what they hold.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.bucketInfo) || !has(self.accessKeyID) && !has(self.secretAccessKey) && !has(self.sessionToken)",message="bucketInfo holds all credentials: name it alone, or the keys of a Secret without it"
type SecretKeys struct {
	// accessKeyID is the key of the access key ID, as in "AWS_ACCESS_KEY_ID". It must end with
	// "access key" or "access key ID", in any case, with dashes, dots, underscores or nothing
	// between the words.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+$') && self.matches('(?i)access[._-]?key([._-]?id)?$') && !self.matches('(?i)secret')",message="accessKeyID must be a key of a Secret that ends like AWS_ACCESS_KEY_ID or AccessKey and does not hold the word secret: what it has is sent in the clear"
	AccessKeyID string `json:"accessKeyID,omitempty"`

	// secretAccessKey is the key of the secret access key, as in "AWS_SECRET_ACCESS_KEY".
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+$')",message="secretAccessKey must be a key of a Secret: letters, digits, dots, dashes and underscores"
	SecretAccessKey string `json:"secretAccessKey,omitempty"`

	// sessionToken is the key of the session token of temporary credentials, as in
	// "AWS_SESSION_TOKEN". The Secret must have it when it is named here. It must end with
	// "session token" or "security token", spelled as freely as accessKeyID.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+$') && self.matches('(?i)(session|security)[._-]?token$') && !self.matches('(?i)secret')",message="sessionToken must be a key of a Secret that ends like AWS_SESSION_TOKEN and does not hold the word secret: what it has is sent in the clear"
	SessionToken string `json:"sessionToken,omitempty"`

	// bucketInfo is the key of a JSON document, as in "BucketInfo", that has the credentials in
	// spec.secretS3.accessKeyID and spec.secretS3.accessSecretKey: the Secret of a BucketAccess of
	// objectstorage.k8s.io/v1alpha1 (COSI). Nothing else in it is used.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+$')",message="bucketInfo must be a key of a Secret: letters, digits, dots, dashes and underscores"
	BucketInfo string `json:"bucketInfo,omitempty"`
}

// FileStoreCredentials is where the credentials for object storage come from.
//
// +kubebuilder:validation:MinProperties=1
type FileStoreCredentials struct {
	// secretRef names a Secret, and the keys that it has. The Secret must name the FileStore in its
	// annotation "iotfile.dev/stores": names separated by commas, or "*".
	//
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// FileStoreTLS is how the endpoint's certificate is verified.
//
// +kubebuilder:validation:MinProperties=1
type FileStoreTLS struct {
	// caBundle holds PEM certificates that the endpoint's certificate is verified against, instead
	// of the system's.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1048576
	CABundle []byte `json:"caBundle,omitempty"`
}

// FileStoreLimits bounds what one namespace can do with the store.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.minPartSize) || !has(self.maxPartSize) || quantity(string(self.minPartSize)).compareTo(quantity(string(self.maxPartSize))) <= 0",message="minPartSize must not be larger than maxPartSize"
type FileStoreLimits struct {
	// minPartSize is the smallest part that is taken, but for the last one. Object stores refuse
	// less than 5Mi.
	//
	// +optional
	// +kubebuilder:default="5Mi"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",message="minPartSize must be a positive quantity such as 5Mi"
	MinPartSize *resource.Quantity `json:"minPartSize,omitempty"`

	// maxPartSize is the largest part that is taken. S3 takes 5Gi at most.
	//
	// +optional
	// +kubebuilder:default="5Gi"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0')) && quantity(string(self)).compareTo(quantity('5Gi')) <= 0",message="maxPartSize must be a positive quantity of at most 5Gi, the limit of S3"
	MaxPartSize *resource.Quantity `json:"maxPartSize,omitempty"`

	// maxPartNumber is the highest part number that is taken from a client; the body of the
	// completing request may add one more.
	//
	// +optional
	// +kubebuilder:default=1000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9999
	MaxPartNumber *int32 `json:"maxPartNumber,omitempty"`

	// maxOpenUploadsPerNamespace is how many uploads one namespace may have open at once. Unlimited
	// when left out.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxOpenUploadsPerNamespace *int32 `json:"maxOpenUploadsPerNamespace,omitempty"`

	// maxIncompleteBytesPerNamespace is how many bytes the open uploads of one namespace may hold
	// together, as in 500Gi. An upload whose size was declared counts with that from its start, the
	// others with what has arrived, as far as their progress tells. Unlimited when left out.
	//
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",message="maxIncompleteBytesPerNamespace must be a positive quantity such as 500Gi"
	MaxIncompleteBytesPerNamespace *resource.Quantity `json:"maxIncompleteBytesPerNamespace,omitempty"`

	// partsPerSecondPerNamespace is how many parts, and files in one request, each replica of the
	// operator takes of one namespace per second, on average; as many may come at once. Unlimited
	// when left out.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	PartsPerSecondPerNamespace *int32 `json:"partsPerSecondPerNamespace,omitempty"`

	// bytesPerSecondPerNamespace is how many bytes of them each replica of the operator takes of
	// one namespace per second, on average, as in 50Mi. Unlimited when left out.
	//
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Ki')) >= 0",message="bytesPerSecondPerNamespace must be a quantity of at least 1Ki, such as 50Mi"
	BytesPerSecondPerNamespace *resource.Quantity `json:"bytesPerSecondPerNamespace,omitempty"`

	// maxUploadTTL is how long an upload may stay incomplete at most, whatever its own ttl and the
	// store's uploadTTL say, as in 168h. It holds for the uploads that are open, too. Unlimited
	// when left out: a ttl may be 8760h then.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$') && duration(self) > duration('0s') && duration(self) <= duration('8760h')",message="maxUploadTTL must be a duration such as 90m or 48h, positive and at most 8760h"
	MaxUploadTTL *metav1.Duration `json:"maxUploadTTL,omitempty"`
}

// FileStoreSpec is where the bucket is, who may use it and how. bucket and prefix are immutable,
// because the key of every file and of every open upload follows from them.
//
// +kubebuilder:validation:XValidation:rule="self.bucket == oldSelf.bucket",message="bucket is immutable: make another FileStore"
// +kubebuilder:validation:XValidation:rule="has(self.prefix) == has(oldSelf.prefix) && (!has(self.prefix) || self.prefix == oldSelf.prefix)",message="prefix is immutable: make another FileStore"
type FileStoreSpec struct {
	// endpoint is the URL of the S3-compatible service, as in
	// "https://s3.eu-central-1.amazonaws.com". It may move to another address of the same service;
	// uploads that are open are looked for there.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z]*://([A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*[.]?|[[][0-9A-Fa-f:.]+[]])(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?/?$')",message="endpoint must name a host by letters, digits, dots and dashes or an address, and a port from 1 to 65535 or none"
	// +kubebuilder:validation:XValidation:rule="isURL(self) && (url(self).getScheme() == 'http' || url(self).getScheme() == 'https') && url(self).getHost() != \"\" && (url(self).getEscapedPath() == \"\" || url(self).getEscapedPath() == '/') && !self.matches('[@?#]')",message="endpoint must be a URL of scheme and host only, such as https://s3.eu-central-1.amazonaws.com"
	Endpoint string `json:"endpoint,omitempty"`

	// region is the region that requests are signed for. It is part of the name of the token
	// service that an ambient web identity is sent to.
	//
	// +optional
	// +kubebuilder:default="us-east-1"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$')",message="region must be letters, digits and dashes, and start and end with a letter or digit"
	Region string `json:"region,omitempty"`

	// bucket is the name of the bucket. It must exist. Immutable.
	//
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9][a-z0-9.-]*[a-z0-9]$')",message="bucket must be 3 to 63 lower-case letters, digits, dots and dashes, and start and end with a letter or digit"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[.-][.]|[.]-|^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$')",message="bucket must not hold a dot beside another or a dash, and not look like an address"
	Bucket string `json:"bucket,omitempty"`

	// prefix is put in front of every object key, as in "iot/"; the namespace, the entity and the
	// path follow. Of two FileStores with one bucket, neither prefix may be the beginning of the
	// other. Immutable.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.endsWith('/') && !self.startsWith('/') && !self.contains('//') && !('/' + self).contains('/./') && !('/' + self).contains('/../')",message="prefix must end with a slash, not start with one, and hold no empty, . or .. segment"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\x00-\\\\x1f\\\\x7f-\\\\x{9f}\\\\x{fffe}\\\\x{ffff}]')",message="prefix must not hold control characters, U+FFFE or U+FFFF"
	Prefix string `json:"prefix,omitempty"`

	// addressingStyle is how the bucket's name is sent: in the path, in the host name, or by what
	// is known of the endpoint.
	//
	// +optional
	// +kubebuilder:default=Auto
	AddressingStyle AddressingStyle `json:"addressingStyle,omitempty"`

	// credentials is where the keys for object storage come from. When it is left out, the ambient
	// cloud identity of the operator's pod is used (environment, web identity, instance metadata).
	//
	// +optional
	Credentials *FileStoreCredentials `json:"credentials,omitempty"`

	// tls is how the endpoint's certificate is verified. When it is left out, the system's
	// certificates are used.
	//
	// +optional
	TLS *FileStoreTLS `json:"tls,omitempty"`

	// namespaceSelector selects the namespaces that may use the store, by their labels. All may
	// when it is left out.
	//
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// limits bounds what one namespace can do with the store.
	//
	// +optional
	// +kubebuilder:default={minPartSize: "5Mi", maxPartSize: "5Gi", maxPartNumber: 1000}
	Limits *FileStoreLimits `json:"limits,omitempty"`

	// uploadTTL is how long an upload may stay incomplete when its own ttl is left out.
	//
	// +optional
	// +kubebuilder:default="48h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$') && duration(self) > duration('0s') && duration(self) <= duration('8760h')",message="uploadTTL must be a duration such as 90m or 48h, positive and at most 8760h"
	UploadTTL *metav1.Duration `json:"uploadTTL,omitempty"`

	// finishedTTL is how long the record of a finished upload stays when it was created over REST.
	// Records of uploads created by manifest stay until their owner deletes them.
	//
	// +optional
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$') && duration(self) <= duration('8760h')",message="finishedTTL must be a duration such as 0s, 90m or 48h, at most 8760h"
	FinishedTTL *metav1.Duration `json:"finishedTTL,omitempty"`

	// orphanPolicy is what happens to an upload under the prefix that no MultipartUpload owns, an
	// hour after it was opened: Report tells of it in an event, the status and a metric, Abort
	// deletes its parts. Auto is Abort where the object ".iotfile-cluster" under the prefix says
	// that this cluster was the first to use it, else Report. Choose Report where others, such as a
	// clone of this cluster, open uploads under this bucket and prefix.
	//
	// +optional
	// +kubebuilder:default=Auto
	OrphanPolicy OrphanPolicy `json:"orphanPolicy,omitempty"`
}

// FileStoreCapabilities is what the real backend was seen to do when it was probed.
//
// +kubebuilder:validation:MinProperties=1
type FileStoreCapabilities struct {
	// payloadMode is how the bytes of a part are protected on their way to the store: the best mode
	// that it can do.
	//
	// +optional
	PayloadMode PayloadMode `json:"payloadMode,omitempty"`

	// conditionalComplete reports whether the store compares If-Match and If-None-Match when it
	// assembles a file, so that of two racing uploads exactly one wins. Where it is false the
	// operator serialises its own writers, and writers that bypass it can be overwritten.
	//
	// +optional
	ConditionalComplete *bool `json:"conditionalComplete,omitempty"`

	// conditionalPut reports whether the store compares If-Match when a file that is sent in one
	// request replaces another, so that of racing writers exactly one wins. Where it is false,
	// writers that race can overwrite each other.
	//
	// +optional
	ConditionalPut *bool `json:"conditionalPut,omitempty"`

	// conditionalCreate is the same of a file that is not there yet (If-None-Match). Where it is
	// absent, conditionalPut stands for both.
	//
	// +optional
	ConditionalCreate *bool `json:"conditionalCreate,omitempty"`

	// matchETag is how the store wants the ETag in If-Match when it stores a file: Quoted, as HTTP
	// has it, or Bare, without the quotes. Absent where it compares nothing.
	//
	// +optional
	MatchETag ETagSpelling `json:"matchETag,omitempty"`

	// uploadListing is how far open uploads can be listed: by prefix, by exact key only (then the
	// orphan sweep is partial), or not at all.
	//
	// +optional
	UploadListing UploadListing `json:"uploadListing,omitempty"`

	// abortKeepsObject reports whether the file stays when the upload that became it is aborted
	// afterwards. Where it is not true, the ids of completed uploads are never aborted: a part that
	// lands after its completion is an orphan there.
	//
	// +optional
	AbortKeepsObject *bool `json:"abortKeepsObject,omitempty"`

	// listingMetadata reports whether a listing of files can hold what is stored with them, such as
	// their version and description. Where it is false, a search asks the store once more for each
	// file.
	//
	// +optional
	ListingMetadata *bool `json:"listingMetadata,omitempty"`

	// keys is which keys, of those that S3 takes, the store cannot hold. Absent where it holds all.
	//
	// +optional
	Keys *FileStoreKeyLimits `json:"keys,omitempty"`
}

// ETagSpelling is how an ETag is spelled in a header.
//
// +kubebuilder:validation:Enum=Quoted;Bare
type ETagSpelling string

const (
	// ETagQuoted is between double quotes, as HTTP has it.
	ETagQuoted ETagSpelling = "Quoted"
	// ETagBare is without quotes, as Ceph compares it when an object is stored.
	ETagBare ETagSpelling = "Bare"
)

// FileStoreKeyLimits is which keys, of those that S3 takes, a store cannot hold. A key has the
// prefix of the store, the namespace, the entity and the path.
//
// +kubebuilder:validation:MinProperties=1
type FileStoreKeyLimits struct {
	// maxBytes is the length in bytes of a key that an upload could be completed with, the longest
	// that was tried. Absent where that is S3's limit of 1024.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxBytes *int32 `json:"maxBytes,omitempty"`

	// maxSegmentBytes is the same of what stands between two slashes. Absent where there is no such
	// limit.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxSegmentBytes *int32 `json:"maxSegmentBytes,omitempty"`

	// backslashIsSlash reports whether "a\\b" and "a/b" are one file. Paths with a backslash are
	// refused then.
	//
	// +optional
	BackslashIsSlash *bool `json:"backslashIsSlash,omitempty"`
}

// SecretConsent is by what right a FileStore uses its Secret.
//
// +kubebuilder:validation:Enum=Given;Overdue
type SecretConsent string

const (
	// SecretConsentGiven is the right by the annotation "iotfile.dev/stores" of the Secret.
	SecretConsentGiven SecretConsent = "Given"
	// SecretConsentOverdue is the right of a FileStore that used the Secret before Secrets were
	// asked. It ends with a minor version.
	SecretConsentOverdue SecretConsent = "Overdue"
)

// FileStoreSecretStatus is which Secret a FileStore uses, and by what right.
type FileStoreSecretStatus struct {
	// name of the Secret.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// consent is Given where the Secret names the FileStore, Overdue where the FileStore used it
	// before Secrets were asked.
	//
	// +required
	Consent SecretConsent `json:"consent,omitempty"`
}

// FileStoreStatus is what is known of the store.
//
// +kubebuilder:validation:MinProperties=1
type FileStoreStatus struct {
	// capabilities is what the backend was seen to do when it was probed.
	//
	// +optional
	Capabilities *FileStoreCapabilities `json:"capabilities,omitempty"`

	// secret is which Secret the store uses, and by what right; absent where it uses none.
	//
	// +optional
	Secret *FileStoreSecretStatus `json:"secret,omitempty"`

	// openUploads is how many MultipartUploads are open in the store.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	OpenUploads *int32 `json:"openUploads,omitempty"`

	// orphanPolicy is what spec.orphanPolicy comes to for this cluster: Abort or Report.
	//
	// +optional
	OrphanPolicy OrphanPolicy `json:"orphanPolicy,omitempty"`

	// orphans is how many uploads in object storage the last search found that no MultipartUpload
	// owns, and left there. They count against maxOpenUploadsPerNamespace.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Orphans *int32 `json:"orphans,omitempty"`

	// lastProbeTime is when the backend was last probed.
	//
	// +optional
	LastProbeTime *metav1.Time `json:"lastProbeTime,omitempty"`

	// lastSuccessfulProbeTime is when a probe last succeeded: so old are capabilities and the
	// condition Protected.
	//
	// +optional
	LastSuccessfulProbeTime *metav1.Time `json:"lastSuccessfulProbeTime,omitempty"`

	// observedGeneration is the metadata.generation that this status speaks of; -1 before the
	// operator has looked at the store for the first time.
	//
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready and Stalled. Their reasons are listed in the documentation of the kind.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// FileStore is a bucket in S3-compatible object storage that the platform team offers to
// namespaces, as a StorageClass offers volumes.
//
// The one that is annotated "iotfile.dev/is-default-store: \"true\"" is used where no other is
// named.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=fst,categories=iotfile
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Protected",type=string,JSONPath=`.status.conditions[?(@.type=="Protected")].reason`
// +kubebuilder:printcolumn:name="Probed",type=date,JSONPath=`.status.lastSuccessfulProbeTime`
// +kubebuilder:printcolumn:name="Bucket",type=string,JSONPath=`.spec.bucket`
// +kubebuilder:printcolumn:name="Open",type=integer,JSONPath=`.status.openUploads`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.metadata.annotations.iotfile\.dev/is-default-store`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Payload",type=string,priority=1,JSONPath=`.status.capabilities.payloadMode`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Protection",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Protected")].message`
type FileStore struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is where the bucket is, who may use it and how.
	//
	// +required
	Spec FileStoreSpec `json:"spec,omitzero"`

	// status is what is known of the store.
	//
	// A new one speaks of no generation: tools that go by kstatus take an object without any status
	// for one that is ready.
	//
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status FileStoreStatus `json:"status,omitempty,omitzero"`
}

// FileStoreList is a list of FileStores.
//
// +kubebuilder:object:root=true
type FileStoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FileStore `json:"items"`
}
