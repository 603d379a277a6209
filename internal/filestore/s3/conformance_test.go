package s3_test

import (
	"context"
	"maps"
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
	for _, kind := range kinds {
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
		mode := v1alpha1.PayloadMode(traits[kind][storetest.PayloadMode])
		c := config(s, mode)
		c.ListingMetadata = traits[kind][storetest.ListingMetadata] == "true"
		return storetest.Backend{
			Name:    string(kind),
			Store:   connect(t, c),
			Prefix:  "suite/",
			Traits:  traits[kind],
			Address: hostOf(t, s.Endpoint),
			Reach: func(t *testing.T, addr string, mode v1alpha1.PayloadMode) filestore.Store {
				c := config(s, mode)
				c.Endpoint = "http://" + addr
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

// traits are how the servers behave where backends differ, in the versions that hack/tools pins.
var traits = map[devcluster.StoreKind]storetest.Traits{
	devcluster.StoreVersityGW: merge(common, storetest.Traits{
		storetest.UploadListing:       "Prefix",
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

// common is what they have in common, and others may not.
var common = storetest.Traits{
	storetest.PayloadMode:      "TrailingCRC64NVME",
	storetest.ConditionalPut:   "true",
	storetest.PutChecksum:      "CRC64NVME of all bytes",
	storetest.PutWhereKeysWere: "OK",
	storetest.ObjectInMode(v1alpha1.PayloadUnsigned, storetest.Whole):      "OK; stored",
	storetest.ObjectInMode(v1alpha1.PayloadUnsigned, storetest.BitFlipped): "OK; **stored damaged**",
	storetest.ConditionalComplete:                                          "true",
	storetest.PartsAfterRestart:                                            "kept",
	storetest.PartChecksum:                                                 "CRC64NVME",
	storetest.ObjectChecksum:                                               "CRC64NVME of all bytes",
	storetest.EmptyPart:                                                    "OK, OK",
	storetest.SmallPartInTheMiddle:                                         "InvalidParts",
	storetest.GapInNumbers:                                                 "OK",
	storetest.AbortAfterComplete:                                           "OK, object stays",
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
