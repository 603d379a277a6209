package testkit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// ends are the reasons with which an upload ends, and the phase that goes with each.
var ends = map[string]v1alpha1.UploadPhase{
	v1alpha1.ReasonCompleted:  v1alpha1.PhaseCompleted,
	v1alpha1.ReasonAborted:    v1alpha1.PhaseAborted,
	v1alpha1.ReasonExpired:    v1alpha1.PhaseExpired,
	v1alpha1.ReasonUploadLost: v1alpha1.PhaseStalled,
}

// faults collects what is wrong.
type faults []error

func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

// CheckStatus returns what is wrong with a status that the reconciler has written, whatever led to
// it. A status that it has not come to yet is fine.
func CheckStatus(u *v1alpha1.MultipartUpload) error {
	var f faults
	if len(u.Status.Conditions) == 0 {
		f.check(u.Status.UploadID == "" && u.Status.CompletionTime == nil && u.Status.Phase == "", "there is a status, but no condition: %+v", u.Status)
		return errors.Join(f...)
	}
	f.checkOpening(u)
	f.checkConditions(u)
	f.checkEnd(u)
	f.checkProgress(u.Status.Progress)
	return errors.Join(f...)
}

// checkOpening: what is recorded of the opening is there as a whole or not at all, and the record
// cannot go before its parts.
func (f *faults) checkOpening(u *v1alpha1.MultipartUpload) {
	s := u.Status
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionStalled); c != nil && c.Reason == v1alpha1.ReasonStatusMismatch {
		return // somebody else has written it
	}
	opened := s.UploadID != ""
	f.check(opened == (s.ObjectKey != ""), "uploadID %q, but objectKey %q", s.UploadID, s.ObjectKey)
	f.check(opened == (s.StoreName != ""), "uploadID %q, but storeName %q", s.UploadID, s.StoreName)
	f.check(opened == (s.StartTime != nil), "uploadID %q, but startTime %v", s.UploadID, s.StartTime)
	f.check(opened == (s.FileVersion != nil), "uploadID %q, but fileVersion %v", s.UploadID, s.FileVersion)
	f.check(opened == meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionInitiated), "uploadID %q, but Initiated is not that", s.UploadID)
	open := opened && s.CompletionTime == nil
	f.check(open == (s.ExpirationTime != nil), "open: %t, but expirationTime %v", open, s.ExpirationTime)
	f.check(!open || slices.Contains(u.Finalizers, v1alpha1.FinalizerAbortUpload), "open without the finalizer")
	if opened {
		f.check(strings.HasSuffix(s.ObjectKey, upload.FileOf(u).TenantKey()), "objectKey %q is not of the file", s.ObjectKey)
	}
}

// checkConditions: they agree with each other, with the phase and with kstatus, which takes Stalled
// for a failure and Ready for success.
func (f *faults) checkConditions(u *v1alpha1.MultipartUpload) {
	s := u.Status
	observed := ptr.Deref(s.ObservedGeneration, 0)
	f.check(observed > 0 && observed <= u.Generation, "observedGeneration %d of generation %d", observed, u.Generation)
	byType := map[string]metav1.Condition{}
	for _, c := range s.Conditions {
		_, twice := byType[c.Type]
		f.check(!twice, "condition %s is there twice", c.Type)
		byType[c.Type] = c
		f.check(c.Reason != "" && c.Message != "", "condition %s has no reason or message: %+v", c.Type, c)
		f.check(c.ObservedGeneration == observed, "condition %s speaks of generation %d, the status of %d", c.Type, c.ObservedGeneration, observed)
		f.check(s.UploadID == "" || !strings.Contains(c.Message, s.UploadID), "condition %s names the upload id", c.Type)
	}
	ready, completed, stalled := byType[v1alpha1.ConditionReady], byType[v1alpha1.ConditionCompleted], byType[v1alpha1.ConditionStalled]
	f.check(ready.Status == completed.Status && ready.Reason == completed.Reason, "Ready is %s/%s, Completed is %s/%s", ready.Status, ready.Reason, completed.Status, completed.Reason)
	f.check((ready.Status == metav1.ConditionTrue) == (ready.Reason == v1alpha1.ReasonCompleted), "Ready is %s/%s", ready.Status, ready.Reason)
	f.check(stalled.Type == "" || stalled.Status == metav1.ConditionTrue, "Stalled is %s instead of absent", stalled.Status)
	f.check(stalled.Type == "" || stalled.Reason == ready.Reason, "Stalled says %s, Ready %s", stalled.Reason, ready.Reason)
	f.check(stalled.Type == "" || ready.Status != metav1.ConditionTrue, "Ready and Stalled at once")
	f.check((s.Phase == v1alpha1.PhaseCompleted) == (ready.Status == metav1.ConditionTrue), "phase %s, but Ready is %s", s.Phase, ready.Status)
	if stalled.Type != "" {
		f.check(slices.Contains([]v1alpha1.UploadPhase{v1alpha1.PhaseStalled, v1alpha1.PhaseAborted, v1alpha1.PhaseExpired}, s.Phase), "stalled in phase %s", s.Phase)
	}
}

// checkEnd: an upload has ended if, and only if, its reason is an end.
func (f *faults) checkEnd(u *v1alpha1.MultipartUpload) {
	s := u.Status
	ready := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		f.check(false, "there is no condition Ready")
		return
	}
	phase, ended := ends[ready.Reason]
	f.check(ended == (s.CompletionTime != nil), "reason %s, but completionTime %v", ready.Reason, s.CompletionTime)
	if !ended {
		f.check(s.Size == nil && s.Checksum == "", "not ended, but size %v and checksum %q", s.Size, s.Checksum)
		return
	}
	f.check(s.Phase == phase, "reason %s in phase %s", ready.Reason, s.Phase)
	f.check((s.Size != nil) == (ready.Reason == v1alpha1.ReasonCompleted), "reason %s, but size %v", ready.Reason, s.Size)
	f.check((ready.Reason == v1alpha1.ReasonCompleted) != meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionStalled), "ended with %s, and Stalled is not the opposite of Ready", ready.Reason)
	if p := s.Progress; p != nil && ready.Reason != v1alpha1.ReasonCompleted {
		f.check(*p.Parts == 0 && *p.Bytes == 0, "ended with %s, but progress still counts %d parts", ready.Reason, *p.Parts)
	}
}

func (f *faults) checkProgress(p *v1alpha1.UploadProgress) {
	if p == nil {
		return
	}
	if p.Parts == nil || p.Bytes == nil {
		f.check(false, "progress without counts: %+v", p)
		return
	}
	f.check(*p.Parts >= 0 && *p.Bytes >= 0, "negative progress: %d parts, %d bytes", *p.Parts, *p.Bytes)
	f.check(p.DisplayBytes == upload.DisplayBytes(*p.Bytes), "%d bytes are displayed as %q", *p.Bytes, p.DisplayBytes)
}

// CheckTransition returns what is wrong with updated as a successor of old: what is write-once has
// stayed, and an end is final.
func CheckTransition(old, updated *v1alpha1.MultipartUpload) error {
	var f faults
	a, b := old.Status, updated.Status
	f.check(a.UploadID == "" || a.UploadID == b.UploadID, "uploadID went from %q to %q", a.UploadID, b.UploadID)
	f.check(a.ObjectKey == "" || a.ObjectKey == b.ObjectKey, "objectKey went from %q to %q", a.ObjectKey, b.ObjectKey)
	f.check(a.StoreName == "" || a.StoreName == b.StoreName, "storeName went from %q to %q", a.StoreName, b.StoreName)
	f.check(a.StartTime == nil || a.StartTime.Equal(b.StartTime), "startTime went from %v to %v", a.StartTime, b.StartTime)
	f.check(a.CompletionTime == nil || a.CompletionTime.Equal(b.CompletionTime), "completionTime went from %v to %v", a.CompletionTime, b.CompletionTime)
	seen, sees := ptr.Deref(a.ObservedGeneration, 0), ptr.Deref(b.ObservedGeneration, 0)
	f.check(seen <= sees, "observedGeneration went from %d to %d", seen, sees)
	before, after := meta.FindStatusCondition(a.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(b.Conditions, v1alpha1.ConditionReady)
	if before != nil && a.CompletionTime != nil {
		f.check(after != nil && after.Reason == before.Reason, "the end %s was left for %+v", before.Reason, after)
	}
	if before != nil && after != nil && before.Status == after.Status {
		f.check(before.LastTransitionTime.Equal(&after.LastTransitionTime), "lastTransitionTime of Ready changed without a transition")
	}
	return errors.Join(f...)
}
