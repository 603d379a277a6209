package s3_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/storetest"
)

// TestConformance runs the suite against the real servers, and against the in-memory store for the
// table.
func TestConformance(t *testing.T) {
	table := storetest.NewTable()
	t.Run("memory", func(t *testing.T) { storetest.Run(t, table, storetest.Memory) })
	for _, kind := range conformanceKinds() {
		t.Run(string(kind), func(t *testing.T) {
			backend := realBackend(kind)
			storetest.RunModes(t, table, backend)
			storetest.Run(t, table, backend)
		})
	}
	table.Publish(t)
}

func realBackend(kind devcluster.StoreKind) func(*testing.T) storetest.Backend {
	return func(t *testing.T) storetest.Backend {
		s := server(t, kind)
		mode := v1alpha1.PayloadMode(traitsOf(kind)[storetest.PayloadMode])
		c := config(s, mode)
		c.ListingMetadata = traitsOf(kind)[storetest.ListingMetadata] == "true"
		c.BareETags = traitsOf(kind)[storetest.MatchETag] == string(v1alpha1.ETagBare)
		return storetest.Backend{
			Name:    string(kind),
			Store:   connect(t, c),
			Prefix:  "suite/",
			Traits:  traitsOf(kind),
			Address: hostOf(t, s.Endpoint),
			Reach: func(t *testing.T, addr string, mode v1alpha1.PayloadMode) filestore.Store {
				c := c
				c.PayloadMode, c.Endpoint = mode, "http://"+addr
				return connect(t, c)
			},
			Restart: func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := s.Restart(ctx); err != nil {
					t.Fatal(err)
				}
			},
		}
	}
}

// traitsOf are those of a kind; none for one of which only the table is wanted.
func traitsOf(kind devcluster.StoreKind) storetest.Traits {
	if kind == devcluster.StoreCeph {
		return cephTraits
	}
	return traits[kind]
}

// traits are how the servers behave where backends differ, in the versions that hack/tools pins.
var traits = map[devcluster.StoreKind]storetest.Traits{
	devcluster.StoreVersityGW: merge(common, storetest.Traits{
		storetest.UploadListing:       "Prefix",
		storetest.KeyLimits:           "a segment over 255 bytes",
		storetest.AbortKeepsObject:    "true",
		storetest.ListingAfterRestart: "listed",
		storetest.RepeatedComplete:    "OK",
		storetest.RepeatedConditional: "OK",
		storetest.ConcurrentCompletes: "all OK",
		storetest.PartDuringAbort:     "OK, **the upload is back with this part**",
		storetest.PartDuringComplete:  "OK, **the upload is back with this part**",
		storetest.ReplacedWhileRead:   "Complete goes ahead, reader gets the old object",
		storetest.LongSegment:         "CompleteUpload: InvalidKey",
		storetest.KeyBelowObject:      "CompleteUpload: InvalidKey",
		storetest.KeyOfDirectory:      "CompleteUpload: InvalidKey",
		storetest.ListingMetadata:     "false",
		storetest.PutWhileRead:        "PutObject goes ahead, reader gets the old object",
		storetest.PutLongSegment:      "InvalidKey",
		storetest.PutBelowObject:      "InvalidKey",
		storetest.PutDirectory:        "InvalidKey",
		storetest.ListBelowObject:     "cannot be stored",
		storetest.InMode(v1alpha1.PayloadUnsigned, storetest.ConnectionCut):       "refused; **stored truncated, filled with zeros**",
		storetest.InMode(v1alpha1.PayloadUnsigned, storetest.BodyFails):           "IncompleteBody; **stored truncated, filled with zeros**",
		storetest.ObjectInMode(v1alpha1.PayloadUnsigned, storetest.ConnectionCut): "refused; **stored truncated**",
		storetest.ObjectInMode(v1alpha1.PayloadUnsigned, storetest.BodyFails):     "IncompleteBody; **stored truncated**",
	}),
	devcluster.StoreMinIO: merge(common, storetest.Traits{
		storetest.UploadListing:       "ExactKey",
		storetest.KeyLimits:           "a segment over 255 bytes",
		storetest.AbortKeepsObject:    "true",
		storetest.ListingAfterRestart: "not listed",
		storetest.RepeatedComplete:    "NoSuchUpload",
		storetest.RepeatedConditional: "Precondition",
		storetest.ConcurrentCompletes: "one OK, the others NoSuchUpload",
		storetest.PartDuringAbort:     "NoSuchUpload",
		storetest.PartDuringComplete:  "NoSuchUpload",
		storetest.ReplacedWhileRead:   "Complete **waits for the reader**, reader gets the old object",
		storetest.LongSegment:         "PutPart: InvalidKey",
		storetest.KeyBelowObject:      "OK",
		storetest.KeyOfDirectory:      "OK",
		storetest.ListingMetadata:     "true",
		storetest.PutWhileRead:        "PutObject **waits for the reader**, reader gets the old object",
		storetest.PutLongSegment:      "InvalidKey",
		storetest.PutBelowObject:      "OK",
		storetest.PutDirectory:        "OK",
		storetest.ListBelowObject:     "**not listed**",
		storetest.InMode(v1alpha1.PayloadUnsigned, storetest.ConnectionCut):       "refused; old part kept",
		storetest.InMode(v1alpha1.PayloadUnsigned, storetest.BodyFails):           "IncompleteBody; old part kept",
		storetest.ObjectInMode(v1alpha1.PayloadUnsigned, storetest.ConnectionCut): "refused; old object kept",
		storetest.ObjectInMode(v1alpha1.PayloadUnsigned, storetest.BodyFails):     "IncompleteBody; old object kept",
	}),
}

// cephTraits are those of a RADOS Gateway 16.2. It takes no trailers, whatever is in them.
var cephTraits = merge(
	inMode(v1alpha1.PayloadTrailingCRC64NVME, "Checksum", "Checksum", "Checksum", "Checksum", ""),
	inMode(v1alpha1.PayloadTrailingCRC32C, "Checksum", "Checksum", "Checksum", "Checksum", ""),
	inMode(v1alpha1.PayloadUnsigned, "OK; stored", "IncompleteBody; old part kept", "refused; old part kept", "OK; **stored damaged**", "object"),
	cephBehaviours,
)

// inMode are the traits of a payload mode, of parts and, with another word for them, of objects.
func inMode(mode v1alpha1.PayloadMode, whole, fails, cut, flipped, object string) storetest.Traits {
	traits := storetest.Traits{}
	for event, observed := range map[storetest.Event]string{storetest.Whole: whole, storetest.BodyFails: fails, storetest.ConnectionCut: cut, storetest.BitFlipped: flipped} {
		traits[storetest.InMode(mode, event)] = observed
		traits[storetest.ObjectInMode(mode, event)] = strings.ReplaceAll(observed, "part", object)
	}
	return traits
}

var cephBehaviours = storetest.Traits{
	storetest.PayloadMode:          "SignedChunks",
	storetest.ConditionalComplete:  "false",
	storetest.ConditionalPut:       "true",
	storetest.ConditionalCreate:    "true",
	storetest.MatchETag:            "Bare",
	storetest.KeyLimits:            "none",
	storetest.UploadListing:        "Prefix",
	storetest.ListingMetadata:      "false",
	storetest.AbortKeepsObject:     "true",
	storetest.ListingAfterRestart:  "listed",
	storetest.PartsAfterRestart:    "kept",
	storetest.PartChecksum:         "none",
	storetest.ObjectChecksum:       "none",
	storetest.EmptyPart:            "OK, OK",
	storetest.SmallPartInTheMiddle: "InvalidParts",
	storetest.GapInNumbers:         "OK",
	storetest.SomeParts:            "InvalidParts",
	storetest.UnknownComplete:      "Unavailable",
	storetest.RepeatedComplete:     "OK",
	storetest.RepeatedConditional:  "OK",
	storetest.ConcurrentCompletes:  "one OK, the others Unavailable",
	storetest.PartDuringAbort:      "NoSuchUpload",
	storetest.PartDuringComplete:   "NoSuchUpload",
	storetest.PartsAfterComplete:   "NoSuchUpload, NoSuchUpload",
	storetest.AbortAfterComplete:   "OK, object stays",
	storetest.PartTwice:            "the last one counts",
	storetest.ReplacedETag:         "InvalidParts",
	storetest.SameBytesSameETag:    "the same ETag: If-Match does not tell them apart",
	storetest.ReplacedWhileRead:    "Complete goes ahead, reader gets the old object",
	storetest.LongSegment:          "OK",
	storetest.KeyBelowObject:       "OK",
	storetest.KeyOfDirectory:       "OK",
	storetest.PutChecksum:          "none",
	storetest.PutWhileRead:         "PutObject goes ahead, reader gets the old object",
	storetest.PutLongSegment:       "OK",
	storetest.PutBelowObject:       "OK",
	storetest.PutDirectory:         "OK",
	storetest.PutWhereKeysWere:     "OK",
	storetest.ListBelowObject:      "listed",
}

// common is what they have in common, and others may not.
var common = storetest.Traits{
	storetest.PayloadMode:       "TrailingCRC64NVME",
	storetest.ConditionalPut:    "true",
	storetest.ConditionalCreate: "true",
	storetest.MatchETag:         "Quoted",
	storetest.PutChecksum:       "CRC64NVME of all bytes",
	storetest.PutWhereKeysWere:  "OK",
	storetest.ObjectInMode(v1alpha1.PayloadUnsigned, storetest.Whole):      "OK; stored",
	storetest.ObjectInMode(v1alpha1.PayloadUnsigned, storetest.BitFlipped): "OK; **stored damaged**",
	storetest.ConditionalComplete:                                          "true",
	storetest.PartsAfterRestart:                                            "kept",
	storetest.PartChecksum:                                                 "CRC64NVME",
	storetest.ObjectChecksum:                                               "CRC64NVME of all bytes",
	storetest.EmptyPart:                                                    "OK, OK",
	storetest.SmallPartInTheMiddle:                                         "InvalidParts",
	storetest.GapInNumbers:                                                 "OK",
	storetest.SomeParts:                                                    "OK",
	storetest.UnknownComplete:                                              "NoSuchUpload",
	storetest.PartsAfterComplete:                                           "NoSuchUpload, NoSuchUpload",
	storetest.AbortAfterComplete:                                           "OK, object stays",
	storetest.PartTwice:                                                    "the last one counts",
	storetest.ReplacedETag:                                                 "InvalidParts",
	storetest.SameBytesSameETag:                                            "the same ETag: If-Match does not tell them apart",
	storetest.InMode(v1alpha1.PayloadUnsigned, storetest.Whole):            "OK; stored",
	storetest.InMode(v1alpha1.PayloadUnsigned, storetest.BitFlipped):       "OK; **stored damaged**",
}

// merge joins traits, and adds that the framed payload modes let nothing through.
func merge(all ...storetest.Traits) storetest.Traits {
	merged := storetest.Traits{}
	for _, mode := range []v1alpha1.PayloadMode{v1alpha1.PayloadTrailingCRC64NVME, v1alpha1.PayloadTrailingCRC32C, v1alpha1.PayloadSignedChunks} {
		merged[storetest.InMode(mode, storetest.Whole)] = "OK; stored"
		merged[storetest.InMode(mode, storetest.BodyFails)] = "IncompleteBody; old part kept"
		merged[storetest.InMode(mode, storetest.ConnectionCut)] = "refused; old part kept"
		merged[storetest.InMode(mode, storetest.BitFlipped)] = "refused; old part kept"
		merged[storetest.ObjectInMode(mode, storetest.Whole)] = "OK; stored"
		merged[storetest.ObjectInMode(mode, storetest.BodyFails)] = "IncompleteBody; old object kept"
		merged[storetest.ObjectInMode(mode, storetest.ConnectionCut)] = "refused; old object kept"
		merged[storetest.ObjectInMode(mode, storetest.BitFlipped)] = "refused; old object kept"
	}
	for _, traits := range all {
		maps.Copy(merged, traits)
	}
	return merged
}
