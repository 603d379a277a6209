package filestore

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// protection is the condition Protected by what the probe has just found.
func protection(fs *v1alpha1.FileStore, now metav1.Time) metav1.Condition {
	found := filestore.ProtectionOf(fs.Status.Capabilities)
	c := metav1.Condition{
		Type: v1alpha1.ConditionProtected, Status: metav1.ConditionTrue, ObservedGeneration: fs.Generation, LastTransitionTime: now,
		Reason: found.Reason, Message: found.Message,
	}
	if found.Reason != v1alpha1.ReasonProtected {
		c.Status = metav1.ConditionFalse
	}
	return c
}

// tellProtection writes an event when it changes what is not protected on a store.
func (r *Reconciler) tellProtection(old, updated *v1alpha1.FileStore) {
	before := meta.FindStatusCondition(old.Status.Conditions, v1alpha1.ConditionProtected)
	after := meta.FindStatusCondition(updated.Status.Conditions, v1alpha1.ConditionProtected)
	switch {
	case after == nil, before != nil && before.Reason == after.Reason:
	case after.Status == metav1.ConditionFalse:
		r.Events.Eventf(updated, nil, corev1.EventTypeWarning, after.Reason, "Probe", "%s", after.Message)
	case before != nil:
		r.Events.Eventf(updated, nil, corev1.EventTypeNormal, after.Reason, "Probe", "%s", after.Message)
	}
}
