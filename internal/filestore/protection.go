package filestore

import (
	"strings"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Protection is what a store was seen to protect.
type Protection struct {
	// Reason is one of the condition Protected: ReasonProtected, or what weighs most of what is
	// missing.
	Reason string
	// Message says for the platform team what is not protected, in a sentence for each.
	Message string
}

// ProtectionOf judges what the probe of a store has found. It is about what a store that is ready
// does not do, and nobody would miss before it is needed: to tell racing writers apart, to notice
// damaged bytes, to find uploads that no record owns.
func ProtectionOf(caps *v1alpha1.FileStoreCapabilities) Protection {
	var reasons, gaps []string
	missing := func(reason, gap string) { reasons, gaps = append(reasons, reason), append(gaps, gap) }
	if caps.PayloadMode == v1alpha1.PayloadUnsigned {
		missing(v1alpha1.ReasonNoChecksums, "bytes that are damaged on the way to object storage are not noticed, unless the endpoint is https")
	}
	for _, gap := range ConditionGaps(caps) {
		missing(v1alpha1.ReasonNoConditions, gap)
	}
	if caps.UploadListing == v1alpha1.UploadListingNone {
		missing(v1alpha1.ReasonNoUploadListing, "uploads that no record owns, such as a crash leaves, are not found: a lifecycle rule of the bucket has to remove them")
	}
	if len(reasons) > 0 {
		return Protection{Reason: reasons[0], Message: strings.Join(gaps, "; ")}
	}
	whole := Protection{Reason: v1alpha1.ReasonProtected, Message: "of racing writers one wins, damaged bytes are refused, and uploads that no record owns are found"}
	if caps.UploadListing == v1alpha1.UploadListingExactKey {
		whole.Message += " as far as their files are known"
	}
	return whole
}

// ConditionGaps says between which writers the store does not decide. Those of the operator are
// told apart all the same where the records can do it.
func ConditionGaps(caps *v1alpha1.FileStoreCapabilities) (gaps []string) {
	switch create, replace := Compares(caps, true), Compares(caps, false); {
	case !create && !replace:
		gaps = append(gaps, "of writers that send a file in one request, through different replicas or past the operator, more than one can be told that it has won")
	case !replace:
		gaps = append(gaps, "of writers that replace a file in one request, through different replicas or past the operator, more than one can be told that it has won")
	case !create:
		gaps = append(gaps, "of writers that make a new file in one request, through different replicas or past the operator, more than one can be told that it has won")
	}
	if caps.ConditionalComplete != nil && !*caps.ConditionalComplete {
		gaps = append(gaps, "an upload that is completed overwrites what a writer past the operator has stored in the same moment, and what was stored while the leader was paused")
	}
	return gaps
}
