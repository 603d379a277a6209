package filestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Times of probes.
const (
	// probeTimeout bounds one probe.
	probeTimeout = 2 * time.Minute
	// A store that is not ready is probed after as long again as it has not been ready, within
	// these limits: most failures pass in a moment, and until they are seen to have passed nothing
	// is opened in the store.
	minUnreadyProbeInterval, maxUnreadyProbeInterval = 2 * time.Second, 15 * time.Second
	// passingTime is how long a store that was ready may not answer before it is said not to be: as
	// long as a gateway takes to start again. Meanwhile each request finds out for itself, and is
	// sent again.
	passingTime = 15 * time.Second
)

// probedStore is what a probe of this process saw.
type probedStore struct {
	// version names the spec and the object version of the Secret: a change of either is probed at
	// once.
	version string
	// failingSince is when the first of the probes began that have failed while the store is still
	// said to be ready; zero otherwise.
	failingSince time.Time
}

func (r *Reconciler) lastProbe(store string) probedStore {
	last, _ := r.probed.Load(store)
	probed, _ := last.(probedStore)
	return probed
}

// mayPass returns since when probes of a ready store have failed with what may pass by itself; zero
// if the store is not to be said to be ready any longer, or the probe, which began then, was good.
func (r *Reconciler) mayPass(fs *v1alpha1.FileStore, found metav1.Condition, began time.Time) time.Time {
	before := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady)
	wasReady := before != nil && before.Status == metav1.ConditionTrue && before.ObservedGeneration == fs.Generation
	if !wasReady || found.Reason != v1alpha1.ReasonUnreachable {
		return time.Time{}
	}
	if earlier := r.lastProbe(fs.Name).failingSince; !earlier.IsZero() {
		began = earlier
	}
	if r.Clock.Since(began) >= passingTime {
		return time.Time{}
	}
	return began
}

// interval is how long until the store is probed again.
func (r *Reconciler) interval(fs *v1alpha1.FileStore) time.Duration {
	if !r.lastProbe(fs.Name).failingSince.IsZero() {
		return minUnreadyProbeInterval
	}
	ready := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil || fs.Status.LastProbeTime == nil:
		return minUnreadyProbeInterval
	case ready.Status == metav1.ConditionTrue:
		return r.ProbeInterval
	default:
		return min(max(fs.Status.LastProbeTime.Sub(ready.LastTransitionTime.Time), minUnreadyProbeInterval), maxUnreadyProbeInterval)
	}
}

// probeDue reports whether spec or Secret are others than the last probe of this process saw, or
// that was long ago. The second result names what is there now.
func (r *Reconciler) probeDue(ctx context.Context, fs *v1alpha1.FileStore) (due bool, version string) {
	version = fmt.Sprintf("%s/%d", fs.UID, fs.Generation)
	if secret := r.secretOf(ctx, fs); secret != nil {
		version += "/" + secret.ResourceVersion
	}
	if r.lastProbe(fs.Name).version != version || fs.Status.LastProbeTime == nil {
		return true, version
	}
	const early = time.Second // the API keeps whole seconds
	return r.Clock.Since(fs.Status.LastProbeTime.Time) >= r.interval(fs)-early, version
}

// probe fills in what the backend is seen to do, and remembers the version of spec and Secret.
func (r *Reconciler) probe(ctx context.Context, fs *v1alpha1.FileStore, rivals []*v1alpha1.FileStore, version string) {
	began := r.Clock.Now()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r.noteConsent(ctx, fs)
	store, err := r.mayUse(ctx, fs, rivals)
	var found v1alpha1.FileStoreCapabilities
	if err == nil {
		found, err = store.Probe(ctx)
	}
	now := metav1.NewTime(r.Clock.Now())
	if ptr.Deref(fs.Status.ObservedGeneration, 0) != fs.Generation {
		// What was found of another spec says nothing about this one.
		fs.Status.Capabilities, fs.Status.LastSuccessfulProbeTime = nil, nil
		meta.RemoveStatusCondition(&fs.Status.Conditions, v1alpha1.ConditionProtected)
	}
	fs.Status.ObservedGeneration = ptr.To(fs.Generation)
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: fs.Generation, LastTransitionTime: now,
		Reason: v1alpha1.ReasonProbed, Message: "the bucket was reached, and the credentials are good",
	}
	if err == nil {
		fs.Status.Capabilities, fs.Status.LastSuccessfulProbeTime = &found, &now
		meta.SetStatusCondition(&fs.Status.Conditions, protection(fs, now))
		fs.Status.OrphanPolicy = r.orphanPolicy(ctx, fs, store)
	} else {
		ready.Status = metav1.ConditionFalse
		ready.Reason, ready.Message = unreadyReason(fs, err)
	}
	fs.Status.LastProbeTime = &now
	failingSince := r.mayPass(fs, ready, began)
	r.probed.Store(fs.Name, probedStore{version: version, failingSince: failingSince})
	if !failingSince.IsZero() {
		log.FromContext(ctx).Info("a probe of the FileStore failed, which may pass", "store", fs.Name, "since", failingSince, "cause", err.Error())
		return
	}
	if err != nil {
		log.FromContext(ctx).Info("the FileStore is not ready", "store", fs.Name, "cause", err.Error())
	}
	meta.SetStatusCondition(&fs.Status.Conditions, ready)
	if err == nil || ready.Reason == v1alpha1.ReasonUnreachable {
		meta.RemoveStatusCondition(&fs.Status.Conditions, v1alpha1.ConditionStalled)
		return
	}
	stalled := ready
	stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
	meta.SetStatusCondition(&fs.Status.Conditions, stalled)
}

// unreadyReason translates the error of a probe for the platform team: reason and message of the
// condition.
func unreadyReason(fs *v1alpha1.FileStore, err error) (reason, message string) {
	var config *filestore.ConfigError
	switch {
	case errors.As(err, &config):
		return config.Reason, config.Message
	case errors.Is(err, filestore.ErrBucketNotFound):
		return v1alpha1.ReasonBucketNotFound, fmt.Sprintf("%s has no bucket %q: create it, or correct spec.bucket", fs.Spec.Endpoint, fs.Spec.Bucket)
	case errors.Is(err, filestore.ErrAccessDenied):
		return v1alpha1.ReasonAccessDenied, fmt.Sprintf("%s refuses the credentials, or what they may do with bucket %q%s", fs.Spec.Endpoint, fs.Spec.Bucket, hint(err))
	case errors.Is(err, filestore.ErrIntegrityUnsupported):
		return v1alpha1.ReasonIntegrityUnsupported, "the backend keeps bodies that are cut short, in every payload mode: it cannot be used"
	case errors.Is(err, filestore.ErrPartsNotReplaced):
		return v1alpha1.ReasonPartsNotReplaced, "the backend does not take a part that is sent again after its connection broke: no such upload could ever be completed"
	default:
		return v1alpha1.ReasonUnreachable, fmt.Sprintf("%s does not answer, or fails; it is probed again%s", fs.Spec.Endpoint, hint(err))
	}
}

// hint is what is known of the cause of a failure, to be put behind a message.
func hint(err error) string {
	if h := filestore.HintOf(err); h != "" {
		return ": " + h
	}
	return ""
}
