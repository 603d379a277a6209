package page

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

const (
	// manyUploads are in the API server in TestVolume, in so many namespaces.
	manyUploads    = 10_000
	manyNamespaces = 10
)

// TestVolume: with 10,000 uploads in the API server the page shows the first at once, takes little
// memory, scrolls, and follows what changes. By the name of its file it is the last test of the
// package: it ends the operator, which would open uploads of its own for these records.
func TestVolume(t *testing.T) {
	needNightly(t)
	check(t, system.up.Operator.Stop())
	check(t, client.IgnoreNotFound(system.kube.DeleteAllOf(t.Context(), &admissionv1.ValidatingWebhookConfiguration{})))
	check(t, client.IgnoreNotFound(system.kube.DeleteAllOf(t.Context(), &admissionv1.MutatingWebhookConfiguration{})))
	replica, err := system.up.AddReplica(t.Context()) // which serves files, and reconciles nothing
	check(t, err)
	began := time.Now()
	fillUploads(t)
	t.Logf("%d uploads were made in %.0f s", manyUploads, time.Since(began).Seconds())
	journey{
		script: "volume.mjs", server: replica.URL,
		env: map[string]string{"COUNT": strconv.Itoa(manyUploads)},
		steps: map[string]func([]string) any{
			"change": func(args []string) any { // one moves on while it is looked at
				u := &v1alpha1.MultipartUpload{}
				check(t, system.kube.Get(t.Context(), client.ObjectKey{Namespace: args[0], Name: args[1]}, u))
				u.Status.Progress = &v1alpha1.UploadProgress{Parts: ptr.To[int32](99), Bytes: ptr.To[int64](99 * 8 * mib), DisplayBytes: "792 MiB", LastPartTime: ptr.To(metav1.Now())}
				check(t, system.kube.Status().Update(t.Context(), u))
				return nil
			},
			"churn": func([]string) any { // 500 move on within a moment
				check(t, churn(t.Context(), 500))
				return nil
			},
		},
	}.run(t, newEntity())
}

// fillUploads makes the records, each with a status as the operator writes it.
func fillUploads(t *testing.T) {
	t.Helper()
	for i := range manyNamespaces {
		check(t, system.kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: manyNamespace(i)}}))
	}
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for i := range manyUploads {
		group.Go(func() error {
			u := manyUpload(i)
			status := u.Status
			if err := system.kube.Create(ctx, u); err != nil {
				return err
			}
			u.Status = status
			return system.kube.Status().Update(ctx, u)
		})
	}
	check(t, group.Wait())
}

// churn has the first uploads move on by a part.
func churn(ctx context.Context, count int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range count {
		group.Go(func() error {
			u := &v1alpha1.MultipartUpload{}
			if err := system.kube.Get(ctx, client.ObjectKeyFromObject(manyUpload(i)), u); err != nil {
				return err
			}
			if u.Status.Progress == nil {
				return errors.New("it has no progress")
			}
			*u.Status.Progress.Parts++
			*u.Status.Progress.Bytes += 8 * mib
			return system.kube.Status().Update(ctx, u)
		})
	}
	return group.Wait()
}

func manyNamespace(i int) string { return fmt.Sprintf("line-%d", i%manyNamespaces) }

// manyUpload is one of them: of ten, seven are open, one has been completed, one has expired, and
// one is stalled.
func manyUpload(i int) *v1alpha1.MultipartUpload {
	now := metav1.Now()
	parts := int32(1 + i%40)
	bytes := int64(parts) * 8 * mib
	size := int64(41 * 8 * mib)
	entity := fmt.Sprintf("%032x", 0xabc000+i%250)
	path := fmt.Sprintf("recordings/2026-11-%02d/machine-%05d.bin", 1+i%30, i)
	u := &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{Namespace: manyNamespace(i), Name: fmt.Sprintf("machine-%05d", i)}}
	u.Spec = v1alpha1.MultipartUploadSpec{
		StoreName: "default", EntityID: entity, Path: path, Size: &size, DesiredState: v1alpha1.DesiredState("Uploading"),
		CreatedBy: "system:serviceaccount:" + manyNamespace(i) + ":recorder",
	}
	u.Status = v1alpha1.MultipartUploadStatus{
		StoreName: "default", UploadID: fmt.Sprintf("upload-%d", i), ObjectKey: manyNamespace(i) + "/" + entity + "/" + path,
		StartTime: ptr.To(metav1.NewTime(now.Add(-time.Duration(i%120) * time.Minute))), ExpirationTime: ptr.To(metav1.NewTime(now.Add(time.Duration(1+i%47) * time.Hour))),
		ObservedGeneration: ptr.To[int64](1),
		Progress: &v1alpha1.UploadProgress{
			Parts: &parts, Bytes: &bytes, DisplayBytes: fmt.Sprintf("%d MiB", bytes/mib), Percent: ptr.To(int32(100 * bytes / size)),
			LastPartTime: ptr.To(metav1.NewTime(now.Add(-time.Duration(i%300) * time.Second))),
		},
	}
	set := func(kind string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&u.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: 1})
	}
	set(v1alpha1.ConditionInitiated, metav1.ConditionTrue, v1alpha1.ReasonInitiated, "the upload takes parts")
	switch i % 10 {
	case 7:
		u.Status.Phase = "Completed"
		u.Status.CompletionTime, u.Status.Size, u.Status.FileVersion = &now, &size, ptr.To[int64](0)
		set(v1alpha1.ConditionCompleted, metav1.ConditionTrue, v1alpha1.ReasonCompleted, "the file is complete")
		set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonCompleted, "the file is complete")
	case 8:
		u.Status.Phase = "Expired"
		u.Status.CompletionTime = &now
		set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonExpired, "it was not completed in time, and its parts are deleted")
	case 9:
		u.Status.Phase = "Stalled"
		set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPartsMissing, "part 3 is missing")
		set(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPartsMissing, "part 3 is missing")
	default:
		u.Status.Phase = "Uploading"
		set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUploading, "parts are awaited")
	}
	return u
}
