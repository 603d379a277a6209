package controllers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// passingTime is how long a store that was ready may fail with what may pass.
const passingTime = 15 * time.Second

func TestFileStoreReady(t *testing.T) {
	r := newRig(t)
	fs := r.expectStore(v1alpha1.ReasonProbed)
	if c := fs.Status.Capabilities; c == nil || c.PayloadMode != v1alpha1.PayloadTrailingCRC64NVME || c.UploadListing != v1alpha1.UploadListingPrefix || !*c.ConditionalComplete {
		t.Errorf("capabilities are %+v", c)
	}
	if *fs.Status.OpenUploads != 0 || !fs.Status.LastProbeTime.Time.Equal(r.clock.Now()) {
		t.Errorf("status is %+v", fs.Status)
	}
	r.expectProbeEvents("Normal Probed")
}

// Each failure has its reason, is Stalled if somebody has to act and not if it may pass by itself,
// and is over when its cause is.
func TestFileStoreNotReady(t *testing.T) {
	for name, c := range map[string]struct {
		kind    error
		reason  string
		stalled bool
	}{
		"Unreachable": {filestore.ErrUnavailable, v1alpha1.ReasonUnreachable, false},
		"Busy":        {filestore.ErrBusy, v1alpha1.ReasonUnreachable, false},
		"NotAllowed": {
			filestore.NewConfigError(filestore.ErrEndpointNotAllowed, "127.0.0.1 is the operator's own pod"), v1alpha1.ReasonEndpointNotAllowed, true,
		},
		"AccessDenied": {filestore.ErrAccessDenied, v1alpha1.ReasonAccessDenied, true},
		"NoBucket":     {filestore.ErrBucketNotFound, v1alpha1.ReasonBucketNotFound, true},
		"NoIntegrity":  {filestore.ErrIntegrityUnsupported, v1alpha1.ReasonIntegrityUnsupported, true},
		"NoSecondPart": {filestore.ErrPartsNotReplaced, v1alpha1.ReasonPartsNotReplaced, true},
		"NoSense":      {errors.New("what?"), v1alpha1.ReasonUnreachable, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			fault := &filestore.Error{Op: "Probe", Kind: c.kind, Cause: errors.New("the secret is hunter2")}
			remove := r.backend.Inject(memory.Fault{Operation: memory.Probe, Before: memory.Fail(fault)})
			r.clock.Step(10 * time.Minute)
			result := r.probeFor()
			probes := 2
			if c.reason == v1alpha1.ReasonUnreachable {
				r.clock.Step(passingTime)
				result = r.probeFor()
				probes++
			}
			fs := r.expectStore(c.reason)
			if storeStalled(fs) != c.stalled || result.RequeueAfter > 15*time.Second {
				t.Errorf("stalled %t, probed again in %s", storeStalled(fs), result.RequeueAfter)
			}
			if message := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady).Message; strings.Contains(message, "hunter2") {
				t.Errorf("the message repeats what the backend said: %q", message)
			}
			if fs.Status.Capabilities == nil {
				t.Error("what was found of this very spec is forgotten")
			}
			r.probe()
			r.probe()
			if n := r.backend.Calls(memory.Probe); n != probes {
				t.Errorf("probed %d times instead of %d, though no time has passed", n, probes)
			}
			remove()
			r.clock.Step(15 * time.Second)
			r.probe()
			if fs := r.expectStore(v1alpha1.ReasonProbed); storeStalled(fs) {
				t.Error("still stalled")
			}
			r.expectProbeEvents("Normal Probed", "Warning "+c.reason, "Normal Probed")
		})
	}
}

func TestFileStoreSecret(t *testing.T) {
	r := newRig(t, testkit.WithSecret("keys"))
	fs := r.expectStore(v1alpha1.ReasonSecretNotFound)
	if !storeStalled(fs) || fs.Status.Capabilities != nil {
		t.Errorf("stalled %t, capabilities %+v", storeStalled(fs), fs.Status.Capabilities)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: "keys", Annotations: map[string]string{v1alpha1.AnnotationStores: r.store}},
		StringData: map[string]string{v1alpha1.SecretKeyAccessKeyID: "id"},
	}
	r.must(r.direct.Create(r.ctx, secret))
	r.probe() // a change of the Secret is probed at once
	fs = r.expectStore(v1alpha1.ReasonSecretNotFound)
	if message := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, v1alpha1.SecretKeySecretAccessKey) {
		t.Errorf("the message does not name the missing key: %q", message)
	}
	secret.StringData = map[string]string{v1alpha1.SecretKeySecretAccessKey: "hunter2"}
	r.must(r.direct.Update(r.ctx, secret))
	r.probe()
	r.expectStore(v1alpha1.ReasonProbed)
	r.must(r.direct.Delete(r.ctx, secret))
	r.probe()
	r.expectStore(v1alpha1.ReasonSecretNotFound)
	r.expectProbeEvents("Warning SecretNotFound", "Normal Probed", "Warning SecretNotFound")
}

func TestFileStoreProbesAgain(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		step   time.Duration
		probes int
	}{{0, 1}, {4 * time.Minute, 1}, {time.Minute, 2}, {time.Minute, 2}} {
		r.clock.Step(c.step)
		r.probe()
		if n := r.backend.Calls(memory.Probe); n != c.probes {
			t.Errorf("after another %s it was probed %d times, want %d", c.step, n, c.probes)
		}
	}
	fs := r.fileStore()
	changed := fs.DeepCopy()
	changed.Spec.Region = "eu-central-1"
	r.must(r.direct.Patch(r.ctx, changed, client.MergeFrom(fs)))
	r.backend.Inject(memory.Fault{Operation: memory.Probe, Times: 1, Before: memory.Fail(errDown)})
	r.probe()
	fs = r.expectStore(v1alpha1.ReasonUnreachable)
	if fs.Status.Capabilities != nil {
		t.Errorf("capabilities of another spec are kept: %+v", fs.Status.Capabilities)
	}
}

// What passes in a moment is seen to have passed in a moment; what lasts is not asked for all the
// time.
func TestFileStoreIsProbedLessAndLessOften(t *testing.T) {
	r := newRig(t)
	r.clock.Step(10 * time.Minute)
	r.storeGoesAway()
	r.clock.Step(2 * time.Second)
	for i, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second} {
		before := r.backend.Calls(memory.Probe)
		result := r.probeFor()
		if result.RequeueAfter != want || r.backend.Calls(memory.Probe) != before+1 {
			t.Errorf("after probe %d it is probed again in %s, want %s", i+1, result.RequeueAfter, want)
		}
		r.clock.Step(result.RequeueAfter)
	}
}

// A gateway that starts again fails a probe or two; a store that then was not ready would refuse
// what is started for longer than it was away.
func TestFileStoreStaysReadyInPassing(t *testing.T) {
	r := newRig(t)
	for range 2 { // what has passed is forgotten
		remove := r.backend.Inject(memory.Fault{Operation: memory.Probe, Before: memory.Fail(errDown)})
		good := r.clock.Now()
		r.clock.Step(10 * time.Minute)
		for range 7 {
			if result := r.probeFor(); result.RequeueAfter != 2*time.Second {
				t.Errorf("it is probed again in %s", result.RequeueAfter)
			}
			fs := r.expectStore(v1alpha1.ReasonProbed)
			if !fs.Status.LastProbeTime.Time.Equal(r.clock.Now()) || !fs.Status.LastSuccessfulProbeTime.Time.Equal(good) {
				t.Errorf("at %s the status says: probed %s, with success %s, want %s", r.clock.Now(), fs.Status.LastProbeTime, fs.Status.LastSuccessfulProbeTime, good)
			}
			r.clock.Step(2 * time.Second)
		}
		remove()
		if result := r.probeFor(); result.RequeueAfter != 5*time.Minute {
			t.Errorf("it answers, and is probed again in %s", result.RequeueAfter)
		}
	}
	r.expectProbeEvents("Normal Probed")

	r.backend.Inject(memory.Fault{Operation: memory.Probe, Before: func(context.Context) error { // one probe that takes so long
		r.clock.Step(passingTime)
		return errDown
	}})
	r.clock.Step(10 * time.Minute)
	r.probe()
	r.expectStore(v1alpha1.ReasonUnreachable)
	r.expectProbeEvents("Normal Probed", "Warning Unreachable")
}

func TestFileStoreCountsOpenUploads(t *testing.T) {
	r := newRig(t)
	for i, name := range []string{"a", "b", "c"} {
		r.open(name, testkit.ForFile(testkit.Entity, name))
		if fs := r.probe(); int(*fs.Status.OpenUploads) != i+1 {
			t.Errorf("openUploads is %d, want %d", *fs.Status.OpenUploads, i+1)
		}
	}
	r.edit("a", aborted)
	r.drive("a")
	r.delete("b")
	r.drive("b")
	r.create("waiting", testkit.ForFile(testkit.Entity, "c"))
	r.drive("waiting")
	if fs := r.probe(); *fs.Status.OpenUploads != 1 {
		t.Errorf("openUploads is %d, want 1", *fs.Status.OpenUploads)
	}
}

func TestFileStoreGone(t *testing.T) {
	r := newRig(t)
	r.removeByForce(r.ctx, r.fileStore())
	if result := r.probeFor(); result != (reconcile.Result{}) {
		t.Errorf("result is %+v", result)
	}
}

// storeGoesAway has the probes fail until the store is not ready any longer.
func (r *rig) storeGoesAway() (comesBack func()) {
	r.t.Helper()
	comesBack = r.backend.Inject(memory.Fault{Operation: memory.Probe, Before: memory.Fail(errDown)})
	r.probe()
	r.clock.Step(passingTime)
	r.probe()
	r.expectStore(v1alpha1.ReasonUnreachable)
	return comesBack
}

func (r *rig) probeFor() reconcile.Result {
	r.t.Helper()
	result, err := r.stores.Reconcile(r.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Name: r.store}})
	r.must(err)
	return result
}

// expectStore checks the reason of Ready, and that the conditions agree with each other.
func (r *rig) expectStore(reason string) *v1alpha1.FileStore {
	r.t.Helper()
	fs := r.fileStore()
	ready := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Reason != reason || (ready.Status == metav1.ConditionTrue) != (reason == v1alpha1.ReasonProbed) || ready.Message == "" {
		r.t.Fatalf("condition Ready is %+v, want reason %s", ready, reason)
	}
	if ready.ObservedGeneration != fs.Generation || ptr.Deref(fs.Status.ObservedGeneration, 0) != fs.Generation {
		r.t.Errorf("the status speaks of generation %d, the store has %d", ptr.Deref(fs.Status.ObservedGeneration, 0), fs.Generation)
	}
	if s := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionStalled); s != nil && (s.Status != metav1.ConditionTrue || s.Reason != reason) {
		r.t.Errorf("condition Stalled is %+v", s)
	}
	return fs
}

func storeStalled(fs *v1alpha1.FileStore) bool {
	return meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionStalled)
}

func (r *rig) expectProbeEvents(want ...string) {
	r.t.Helper()
	r.events.mu.Lock()
	defer r.events.mu.Unlock()
	var got []string
	for _, e := range r.events.all {
		if words := strings.SplitN(e, " ", 3); strings.HasPrefix(words[2], "Probe") {
			got = append(got, words[0]+" "+words[1])
		}
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		r.t.Errorf("events are %q, want %q", r.events.all, want)
	}
}
