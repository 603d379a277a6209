package controllers_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	filestorecontroller "github.com/iotfile-operator/iotfile-operator/controllers/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// changeStore changes the rig's FileStore, as its owner does.
func (r *rig) changeStore(change testkit.StoreOption) *v1alpha1.FileStore {
	r.t.Helper()
	fs := r.fileStore()
	changed := fs.DeepCopy()
	change(changed)
	r.must(r.direct.Patch(r.ctx, changed, client.MergeFrom(fs)))
	return changed
}

// consent has a Secret name the FileStores that may use it.
func (r *rig) consent(secret *corev1.Secret, stores string) {
	r.t.Helper()
	before := secret.DeepCopy()
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.AnnotationStores, stores)
	r.must(r.direct.Patch(r.ctx, secret, client.MergeFrom(before)))
}

// freshStores is the reconciler as it is after a restart.
func (r *rig) freshStores() *filestorecontroller.Reconciler {
	s := r.stores
	return &filestorecontroller.Reconciler{
		Client: s.Client, Catalog: s.Catalog, Stores: s.Stores, Clock: s.Clock, Events: s.Events, ProbeInterval: s.ProbeInterval,
	}
}

// TestFileStoreSecretConsent: whoever writes a FileStore cannot use a Secret that does not name it,
// neither at once nor by a detour over one that does, and consent that is taken back counts at
// once.
func TestFileStoreSecretConsent(t *testing.T) {
	r := newRig(t) // with the ambient identity: it is ready
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: "keys-" + r.ns, Annotations: map[string]string{v1alpha1.AnnotationStores: "another"}},
		StringData: map[string]string{v1alpha1.SecretKeyAccessKeyID: "id", v1alpha1.SecretKeySecretAccessKey: "hunter2"},
	}
	r.must(r.direct.Create(r.ctx, secret))
	r.changeStore(testkit.WithSecret("keys-" + r.ns))
	for range 2 {
		r.probe()
		fs := r.expectStore(v1alpha1.ReasonSecretWithoutConsent)
		message := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady).Message
		if !storeStalled(fs) || fs.Status.Capabilities != nil || fs.Status.Secret != nil || !strings.Contains(message, "kubectl annotate secret -n "+r.ns+" keys-"+r.ns+" iotfile.dev/stores="+r.store) {
			t.Errorf("stalled %t, status %+v, message %q", storeStalled(fs), fs.Status, message)
		}
		r.clock.Step(time.Hour)
	}
	r.consent(secret, r.store)
	r.probe() // a change of the Secret is probed at once
	if fs := r.expectStore(v1alpha1.ReasonProbed); fs.Status.Secret == nil || fs.Status.Secret.Consent != v1alpha1.SecretConsentGiven {
		t.Errorf("secret is %+v", fs.Status.Secret)
	}
	r.consent(secret, "another")
	for range 2 {
		r.probe()
		if fs := r.expectStore(v1alpha1.ReasonSecretWithoutConsent); meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionConsentOverdue) != nil {
			t.Error("consent that was taken back is overdue")
		}
		r.clock.Step(time.Hour)
	}
	r.expectProbeEvents("Normal Probed", "Warning SecretWithoutConsent", "Normal Probed", "Warning SecretWithoutConsent")
}

// TestFileStoreSecretConsentOverdue has a store go on that was ready before Secrets were asked:
// through failures, changes of its spec and restarts, until its Secret is another one.
func TestFileStoreSecretConsentOverdue(t *testing.T) {
	r := newRig(t)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: "keys-" + r.ns},
		StringData: map[string]string{v1alpha1.SecretKeyAccessKeyID: "id", v1alpha1.SecretKeySecretAccessKey: "hunter2"},
	}
	r.must(r.direct.Create(r.ctx, secret))
	fs := r.changeStore(testkit.WithSecret("keys-" + r.ns))
	before := fs.DeepCopy()
	fs.Status.ObservedGeneration = &fs.Generation // as an earlier version, which found it ready, wrote it
	r.must(r.direct.Status().Patch(r.ctx, fs, client.MergeFrom(before)))
	overdue := func(what string) {
		t.Helper()
		r.stores = r.freshStores() // as after a restart
		r.probe()
		fs := r.expectStore(v1alpha1.ReasonProbed)
		c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionConsentOverdue)
		if c == nil || c.Reason != v1alpha1.ReasonSecretWithoutConsent || !strings.Contains(c.Message, "until version 0.2.0") || storeStalled(fs) {
			t.Errorf("%s: the condition is %+v", what, c)
		}
	}
	overdue("at first")
	r.clock.Step(time.Hour)
	overdue("later")
	r.changeStore(func(fs *v1alpha1.FileStore) { fs.Spec.Region = "eu-central-1" })
	overdue("with another spec")
	r.consent(secret, r.store)
	r.probe()
	if fs := r.expectStore(v1alpha1.ReasonProbed); fs.Status.Secret.Consent != v1alpha1.SecretConsentGiven || meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionConsentOverdue) != nil {
		t.Errorf("with consent, status is %+v", fs.Status)
	}
	other := secret.DeepCopy()
	other.ObjectMeta = metav1.ObjectMeta{Namespace: r.ns, Name: "others-" + r.ns}
	r.must(r.direct.Create(r.ctx, other))
	r.changeStore(testkit.WithSecret("others-" + r.ns))
	r.probe()
	r.expectStore(v1alpha1.ReasonSecretWithoutConsent)
	r.expectProbeEvents("Normal Probed", "Warning SecretWithoutConsent", "Warning SecretWithoutConsent")
}
