package s3_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// isObject is a PutObject in the mode that is being tried; what marks the probe is sent in another.
func isObject(r *http.Request) bool {
	return r.Method == http.MethodPut && len(r.URL.RawQuery) == 0 &&
		(payloadOf(r) == "UNSIGNED-PAYLOAD" || strings.HasPrefix(payloadOf(r), "STREAMING"))
}

func isListing(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Query().Get("metadata") == "true"
}

// TestProbeFindsObjectCapabilities: what a backend does with whole objects is found as it is.
func TestProbeFindsObjectCapabilities(t *testing.T) {
	minIO, versitygw := server(t, devcluster.StoreMinIO), server(t, devcluster.StoreVersityGW)
	ignores := func(s *devcluster.ObjectStore, header string) func(http.ResponseWriter, *http.Request) bool {
		return func(_ http.ResponseWriter, r *http.Request) bool {
			if isObject(r) && r.Header.Get(header) != "" {
				r.Header.Del(header)
				resign(s, r)
			}
			return false
		}
	}
	for name, tc := range map[string]struct {
		server               *devcluster.ObjectStore
		fault                func(http.ResponseWriter, *http.Request) bool
		conditional, listing bool
		mode                 v1alpha1.PayloadMode
		create               bool
	}{
		"MinIO":                 {minIO, func(http.ResponseWriter, *http.Request) bool { return false }, true, true, v1alpha1.PayloadTrailingCRC64NVME, true},
		"versitygw":             {versitygw, func(http.ResponseWriter, *http.Request) bool { return false }, true, false, v1alpha1.PayloadTrailingCRC64NVME, true},
		"ignores If-None-Match": {minIO, ignores(minIO, "If-None-Match"), true, true, v1alpha1.PayloadTrailingCRC64NVME, false},
		"ignores If-Match":      {versitygw, ignores(versitygw, "If-Match"), false, false, v1alpha1.PayloadTrailingCRC64NVME, true},
		"refuses If-Match": {minIO, func(w http.ResponseWriter, r *http.Request) bool {
			return isObject(r) && r.Header.Get("If-Match") != "" && answer(w, r, 501, "NotImplemented")
		}, false, true, v1alpha1.PayloadTrailingCRC64NVME, true},
		"refuses to list metadata": {minIO, func(w http.ResponseWriter, r *http.Request) bool {
			return isListing(r) && answer(w, r, 400, "InvalidArgument")
		}, true, false, v1alpha1.PayloadTrailingCRC64NVME, true},
		"breaks on listing metadata": {minIO, func(w http.ResponseWriter, r *http.Request) bool {
			return isListing(r) && answer(w, r, 500, "InternalError")
		}, true, false, v1alpha1.PayloadTrailingCRC64NVME, true},
		"trailers of parts only": {versitygw, func(w http.ResponseWriter, r *http.Request) bool {
			return isObject(r) && strings.Contains(payloadOf(r), "TRAILER") && answer(w, r, 501, "NotImplemented")
		}, true, false, v1alpha1.PayloadSignedChunks, true},
		"does not look at the checksum of an object": {minIO, func(_ http.ResponseWriter, r *http.Request) bool {
			if isObject(r) && strings.Contains(payloadOf(r), "TRAILER") {
				unframe(minIO, r)
			}
			return false
		}, true, true, v1alpha1.PayloadSignedChunks, true},
	} {
		t.Run(name, func(t *testing.T) {
			caps, err := connect(t, meddle(t, tc.server, tc.fault)).Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if *caps.ConditionalCreate != tc.create || (caps.MatchETag == v1alpha1.ETagQuoted) != tc.conditional {
				t.Errorf("conditionalCreate %t, matchETag %q", *caps.ConditionalCreate, caps.MatchETag)
			}
			if *caps.ConditionalPut != tc.conditional || *caps.ListingMetadata != tc.listing || caps.PayloadMode != tc.mode {
				t.Errorf("conditionalPut %t, listingMetadata %t, payloadMode %s", *caps.ConditionalPut, *caps.ListingMetadata, caps.PayloadMode)
			}
			if !*caps.ConditionalComplete {
				t.Error("conditionalComplete was lost")
			}
			wantNothingLeft(t, tc.server)
		})
	}
}
