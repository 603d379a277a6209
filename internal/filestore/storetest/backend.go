package storetest

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// modes are all payload modes, the best first.
var modes = []v1alpha1.PayloadMode{
	v1alpha1.PayloadTrailingCRC64NVME, v1alpha1.PayloadTrailingCRC32C, v1alpha1.PayloadSignedChunks, v1alpha1.PayloadUnsigned,
}

// mode is the payload mode that the backend is declared to be probed as.
func (s *suite) mode(t *testing.T) v1alpha1.PayloadMode {
	t.Helper()
	mode := v1alpha1.PayloadMode(s.Traits[PayloadMode])
	if mode == "" {
		t.Fatalf("%s declares no payload mode", s.Name)
	}
	return mode
}

// probe: the same answer each time, and nothing is left behind.
func (s *suite) probe(t *testing.T) {
	for range 2 {
		caps, err := s.Store.Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for trait, observed := range TraitsOf(&caps) {
			s.observe(t, trait, observed)
		}
	}
	if err := s.Store.ListUploads(t.Context(), "", func(u filestore.Upload) bool {
		if strings.Contains(u.Key, ".iotfile-probe/") {
			t.Errorf("Probe has left %+v", u)
		}
		return true
	}); err != nil {
		t.Error(err)
	}
}

// claim: of two clusters that use a prefix the first has it, for good.
func (s *suite) claim(t *testing.T) {
	s.needs(t, ConditionalCreate)
	for _, id := range []string{"the-first", "another", "the-first"} {
		owner, err := s.Store.Claim(t.Context(), id)
		if err != nil || owner != "the-first" {
			t.Errorf("claimed by %s, the prefix belongs to %q, %v", id, owner, err)
		}
	}
}

// TraitsOf are those that a probe finds.
func TraitsOf(caps *v1alpha1.FileStoreCapabilities) Traits {
	return Traits{
		PayloadMode:         string(caps.PayloadMode),
		ConditionalComplete: known(caps.ConditionalComplete),
		ConditionalPut:      known(caps.ConditionalPut),
		ConditionalCreate:   known(caps.ConditionalCreate),
		MatchETag:           cmp.Or(string(caps.MatchETag), "none"),
		KeyLimits:           keyLimits(caps.Keys),
		UploadListing:       string(caps.UploadListing),
		ListingMetadata:     known(caps.ListingMetadata),
		AbortKeepsObject:    known(caps.AbortKeepsObject),
	}
}

// overBytes begins what keyLimits says of keys that are too long.
const overBytes = "over %d bytes"

// keyLimits says in words which keys cannot be.
func keyLimits(keys *v1alpha1.FileStoreKeyLimits) string {
	if keys == nil {
		return "none"
	}
	var limits []string
	if keys.MaxBytes != nil {
		limits = append(limits, fmt.Sprintf(overBytes, *keys.MaxBytes))
	}
	if keys.MaxSegmentBytes != nil {
		limits = append(limits, fmt.Sprintf("a segment over %d bytes", *keys.MaxSegmentBytes))
	}
	if keys.BackslashIsSlash != nil && *keys.BackslashIsSlash {
		limits = append(limits, "a backslash")
	}
	return strings.Join(limits, ", ")
}

func known(capability *bool) string {
	if capability == nil {
		return "unknown"
	}
	return fmt.Sprint(*capability)
}

func (s *suite) listUploads(t *testing.T) {
	dir := s.Prefix + "list/"
	want := map[filestore.UploadRef]bool{}
	for _, name := range []string{"a", "a", "b/c", "b/d", "e"} {
		want[s.open(t, dir+name)] = true
	}
	other := s.open(t, s.Prefix+"list-not")
	listing := v1alpha1.UploadListing(s.Traits[UploadListing])

	t.Run("Prefix", func(t *testing.T) {
		got := map[filestore.UploadRef]bool{}
		if err := s.Store.ListUploads(t.Context(), dir, func(u filestore.Upload) bool {
			if got[u.UploadRef] {
				t.Errorf("%+v came twice", u)
			}
			got[u.UploadRef] = true
			if age := time.Since(u.Initiated); age < -time.Hour || age > time.Hour {
				t.Errorf("%s was opened at %v", u.Key, u.Initiated)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if got[other] {
			t.Errorf("ListUploads(%q) gave %q", dir, other.Key)
		}
		for ref := range want {
			if !got[ref] && listing == v1alpha1.UploadListingPrefix {
				t.Errorf("%+v is missing in ListUploads(%q)", ref, dir)
			}
		}
	})
	t.Run("ExactKey", func(t *testing.T) {
		if listing == v1alpha1.UploadListingNone {
			t.Skip("the backend lists nothing")
		}
		for _, name := range []string{"a", "e"} {
			n := 0
			if err := s.Store.ListUploads(t.Context(), dir+name, func(u filestore.Upload) bool {
				if want[u.UploadRef] && u.Key == dir+name {
					n++
				}
				return true
			}); err != nil {
				t.Fatal(err)
			}
			if wanted := map[string]int{"a": 2, "e": 1}[name]; n != wanted {
				t.Errorf("ListUploads(%q) gave %d of %d uploads", dir+name, n, wanted)
			}
		}
	})
	t.Run("StopsWhenTold", func(t *testing.T) {
		n := 0
		if err := s.Store.ListUploads(t.Context(), dir+"a", func(filestore.Upload) bool {
			n++
			return false
		}); err != nil {
			t.Fatal(err)
		}
		if n > 1 {
			t.Errorf("yield was called %d times after it had said false", n-1)
		}
	})
	t.Run("Aborted", func(t *testing.T) {
		for ref := range want {
			if err := s.Store.AbortUpload(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
		}
		for _, prefix := range []string{dir, dir + "a"} {
			if err := s.Store.ListUploads(t.Context(), prefix, func(u filestore.Upload) bool {
				t.Errorf("%+v is listed after it was aborted", u)
				return true
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// restart: what a backend has acknowledged is there when it comes back.
func (s *suite) restart(t *testing.T) {
	if s.Restart == nil {
		t.Skip("the backend cannot be restarted")
	}
	ref := s.open(t, s.key())
	content := random(80, minPart)
	part := s.put(t, ref, 1, content)
	s.Restart(t)
	for deadline := time.Now().Add(timeout); ; time.Sleep(quiet / 3) {
		_, err := s.Store.ListParts(t.Context(), ref)
		if err == nil || filestore.Terminal(err) || time.Now().After(deadline) {
			break
		}
	}
	parts, err := s.Store.ListParts(t.Context(), ref)
	if err != nil || len(parts) != 1 || parts[0].ETag != part.ETag {
		s.observe(t, PartsAfterRestart, fmt.Sprintf("lost: %v, %s", parts, kindOf(err)))
		return
	}
	s.observe(t, PartsAfterRestart, "kept")
	listed := "not listed"
	if err := s.Store.ListUploads(t.Context(), s.Prefix, func(u filestore.Upload) bool {
		if u.UploadRef == ref {
			listed = "listed"
		}
		return true
	}); err != nil {
		listed = kindOf(err)
	}
	s.observe(t, ListingAfterRestart, listed)
	s.finish(t, ref, filestore.Condition{})
	s.wantObject(t, ref.Key, content)
}
