package filestore_test

import (
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// TestProtectionOf: the reason is the gap that weighs most, and the message has them all.
func TestProtectionOf(t *testing.T) {
	best := v1alpha1.FileStoreCapabilities{
		PayloadMode: v1alpha1.PayloadTrailingCRC64NVME, ConditionalComplete: new(true), ConditionalPut: new(true), ConditionalCreate: new(true),
		UploadListing: v1alpha1.UploadListingPrefix,
	}
	for name, tc := range map[string]struct {
		change func(*v1alpha1.FileStoreCapabilities)
		reason string
		says   []string
	}{
		"all":           {func(*v1alpha1.FileStoreCapabilities) {}, v1alpha1.ReasonProtected, []string{"one wins"}},
		"signed chunks": {func(c *v1alpha1.FileStoreCapabilities) { c.PayloadMode = v1alpha1.PayloadSignedChunks }, v1alpha1.ReasonProtected, nil},
		"exact key":     {func(c *v1alpha1.FileStoreCapabilities) { c.UploadListing = v1alpha1.UploadListingExactKey }, v1alpha1.ReasonProtected, []string{"are known"}},
		"not known": {func(c *v1alpha1.FileStoreCapabilities) {
			c.ConditionalComplete, c.ConditionalPut, c.ConditionalCreate = nil, nil, nil
		}, v1alpha1.ReasonProtected, nil},
		"no checksums":   {func(c *v1alpha1.FileStoreCapabilities) { c.PayloadMode = v1alpha1.PayloadUnsigned }, v1alpha1.ReasonNoChecksums, []string{"damaged"}},
		"no complete":    {func(c *v1alpha1.FileStoreCapabilities) { c.ConditionalComplete = new(false) }, v1alpha1.ReasonNoConditions, []string{"completed"}},
		"no replacement": {func(c *v1alpha1.FileStoreCapabilities) { c.ConditionalPut = new(false) }, v1alpha1.ReasonNoConditions, []string{"replace a file"}},
		"no creation":    {func(c *v1alpha1.FileStoreCapabilities) { c.ConditionalCreate = new(false) }, v1alpha1.ReasonNoConditions, []string{"make a new file"}},
		"of an earlier version": {func(c *v1alpha1.FileStoreCapabilities) {
			c.ConditionalPut, c.ConditionalCreate = new(false), nil
		}, v1alpha1.ReasonNoConditions, []string{"send a file"}},
		"no listing": {func(c *v1alpha1.FileStoreCapabilities) { c.UploadListing = v1alpha1.UploadListingNone }, v1alpha1.ReasonNoUploadListing, []string{"lifecycle rule"}},
		"nothing": {func(c *v1alpha1.FileStoreCapabilities) {
			*c = v1alpha1.FileStoreCapabilities{
				PayloadMode: v1alpha1.PayloadUnsigned, ConditionalComplete: new(false), ConditionalPut: new(false), UploadListing: v1alpha1.UploadListingNone,
			}
		}, v1alpha1.ReasonNoChecksums, []string{"damaged", "send a file", "completed", "lifecycle rule"}},
	} {
		t.Run(name, func(t *testing.T) {
			caps := best
			tc.change(&caps)
			got := filestore.ProtectionOf(&caps)
			if got.Reason != tc.reason {
				t.Errorf("the reason is %s, want %s", got.Reason, tc.reason)
			}
			for _, part := range tc.says {
				if !strings.Contains(got.Message, part) {
					t.Errorf("%q does not say %q", got.Message, part)
				}
			}
		})
	}
}
