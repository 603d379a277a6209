package filestore

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// consentNeededFrom is the version from which on no FileStore goes on without the consent of its
// Secret.
const consentNeededFrom = "0.2.0"

// secretOf finds the Secret of a store; nil where there is none.
func (r *Reconciler) secretOf(ctx context.Context, fs *v1alpha1.FileStore) *corev1.Secret {
	c := fs.Spec.Credentials
	if c == nil || c.SecretRef == nil {
		return nil
	}
	var secrets corev1.SecretList // the cache holds the operator's own namespace only
	if err := r.Client.List(ctx, &secrets); err != nil {
		return nil
	}
	for i := range secrets.Items {
		if secrets.Items[i].Name == c.SecretRef.Name {
			return &secrets.Items[i]
		}
	}
	return nil
}

// noteConsent writes down by what right the store uses its Secret, as it is at the begin of a
// probe, before its result is part of the status. What was noted stays while the Secret is not
// there, or refuses: it is what the next one is judged by.
func (r *Reconciler) noteConsent(ctx context.Context, fs *v1alpha1.FileStore) {
	if c := fs.Spec.Credentials; c == nil || c.SecretRef == nil {
		fs.Status.Secret = nil
		meta.RemoveStatusCondition(&fs.Status.Conditions, v1alpha1.ConditionConsentOverdue)
		return
	}
	secret := r.secretOf(ctx, fs)
	if secret == nil {
		return
	}
	consent := filestore.ConsentOf(fs, secret.Name, secret.Annotations)
	if consent != "" {
		fs.Status.Secret = &v1alpha1.FileStoreSecretStatus{Name: secret.Name, Consent: consent}
	}
	if consent != v1alpha1.SecretConsentOverdue {
		meta.RemoveStatusCondition(&fs.Status.Conditions, v1alpha1.ConditionConsentOverdue)
		return
	}
	meta.SetStatusCondition(&fs.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionConsentOverdue, Status: metav1.ConditionTrue, ObservedGeneration: fs.Generation, LastTransitionTime: metav1.NewTime(r.Clock.Now()),
		Reason: v1alpha1.ReasonSecretWithoutConsent,
		Message: fmt.Sprintf("the Secret %q does not name this FileStore in its annotation %s; the FileStore goes on until version %s: "+
			"kubectl annotate secret -n %s %s %s=%s", secret.Name, v1alpha1.AnnotationStores, consentNeededFrom, secret.Namespace, secret.Name, v1alpha1.AnnotationStores, fs.Name),
	})
}

// tellConsent writes an event when a store is first seen to go on without the consent of its
// Secret.
func (r *Reconciler) tellConsent(old, updated *v1alpha1.FileStore) {
	c := meta.FindStatusCondition(updated.Status.Conditions, v1alpha1.ConditionConsentOverdue)
	if c == nil || meta.FindStatusCondition(old.Status.Conditions, v1alpha1.ConditionConsentOverdue) != nil {
		return
	}
	r.Events.Eventf(updated, nil, corev1.EventTypeWarning, c.Reason, "Probe", "%s", c.Message)
}
