package storetest

import (
	"maps"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// Memory is the in-memory Store as a Backend, as it is by default: like MinIO, but that it lists
// uploads.
func Memory(*testing.T) Backend {
	return Backend{Name: "memory", Store: memory.New(memory.Options{}), Prefix: "memory/", Traits: memoryTraits}
}

// MemoryLikeVersityGW is the in-memory Store with the ways of versitygw.
func MemoryLikeVersityGW(*testing.T) Backend {
	traits := maps.Clone(memoryTraits)
	traits[RepeatedComplete] = "OK"
	traits[RepeatedConditional] = "OK"
	traits[ConcurrentCompletes] = "all OK"
	traits[PartDuringAbort] = "OK, **the upload is back with this part**"
	traits[PartDuringComplete] = "OK, **the upload is back with this part**"
	traits[ListingMetadata] = "false"
	store := memory.New(memory.Options{LateParts: memory.LatePartsResurrect, RepeatedComplete: true, Capabilities: v1alpha1.FileStoreCapabilities{
		PayloadMode: v1alpha1.PayloadTrailingCRC64NVME, ConditionalComplete: new(true), ConditionalPut: new(true), ConditionalCreate: new(true), MatchETag: v1alpha1.ETagQuoted,
		UploadListing: v1alpha1.UploadListingPrefix, ListingMetadata: new(false), AbortKeepsObject: new(true),
	}})
	return Backend{Name: "memory like versitygw", Store: store, Prefix: "memory/", Traits: traits}
}

var memoryTraits = Traits{
	PayloadMode:          "TrailingCRC64NVME",
	ConditionalComplete:  "true",
	ConditionalPut:       "true",
	ConditionalCreate:    "true",
	MatchETag:            "Quoted",
	KeyLimits:            "none",
	UploadListing:        "Prefix",
	ListingMetadata:      "true",
	AbortKeepsObject:     "true",
	PartChecksum:         "CRC64NVME",
	ObjectChecksum:       "CRC64NVME of all bytes",
	EmptyPart:            "OK, OK",
	SmallPartInTheMiddle: "InvalidParts",
	GapInNumbers:         "OK",
	SomeParts:            "OK",
	UnknownComplete:      "NoSuchUpload",
	RepeatedComplete:     "NoSuchUpload",
	RepeatedConditional:  "NoSuchUpload",
	ConcurrentCompletes:  "one OK, the others NoSuchUpload",
	PartDuringAbort:      "NoSuchUpload",
	PartDuringComplete:   "NoSuchUpload",
	PartsAfterComplete:   "NoSuchUpload, NoSuchUpload",
	AbortAfterComplete:   "OK, object stays",
	PartTwice:            "the last one counts",
	ReplacedETag:         "InvalidParts",
	SameBytesSameETag:    "the same ETag: If-Match does not tell them apart",
	ReplacedWhileRead:    "Complete goes ahead, reader gets the old object",
	LongSegment:          "OK",
	KeyBelowObject:       "OK",
	KeyOfDirectory:       "OK",
	PutChecksum:          "CRC64NVME of all bytes",
	PutWhileRead:         "PutObject goes ahead, reader gets the old object",
	PutLongSegment:       "OK",
	PutBelowObject:       "OK",
	PutDirectory:         "OK",
	PutWhereKeysWere:     "OK",
	ListBelowObject:      "listed",
}
