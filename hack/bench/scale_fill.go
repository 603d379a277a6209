package main

import (
	"context"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// fillers make records at once.
	fillers = 24
	// filledAtOnce go into etcd in one transaction.
	filledAtOnce = 100
)

// fill makes so many records: the first by two writes, of spec and of status, the others in its
// likeness. The operator, which would open uploads of its own for them, is ended before.
func (c *scale) fill(ctx context.Context, count int, describe func(context.Context, int) (*v1alpha1.MultipartUpload, error)) error {
	if err := c.halt(); err != nil || count == 0 {
		return err
	}
	first, err := c.fillOne(ctx, describe)
	if err != nil {
		return err
	}
	records, err := c.newEtcdRecords(ctx, first)
	if err != nil {
		return err
	}
	defer records.client.CloseIdleConnections()
	if err := c.fillOthers(ctx, count, describe, records); err != nil {
		return err
	}
	return drain(ctx)
}

// fillOthers makes all records but the first.
func (c *scale) fillOthers(ctx context.Context, count int, describe func(context.Context, int) (*v1alpha1.MultipartUpload, error), records *etcdRecords) error {
	began := time.Now()
	group, making := errgroup.WithContext(ctx)
	group.SetLimit(fillers)
	for from := 1; from < count && making.Err() == nil; from += filledAtOnce {
		if from%10000 == 1 {
			say("%d of %d records, %.0f a second", from, count, float64(from)/time.Since(began).Seconds())
		}
		group.Go(func() error {
			var some []*v1alpha1.MultipartUpload
			for i := from; i < min(from+filledAtOnce, count); i++ {
				u, err := describe(making, i)
				if err != nil {
					return err
				}
				some = append(some, u)
			}
			return records.write(making, some)
		})
	}
	return group.Wait()
}

// drain waits until the API server has told its watches of everything: etcd takes records more
// quickly than it does.
func drain(ctx context.Context) error {
	const look, idle = 5 * time.Second, 0.15 // of a processor
	for range scaleLimit / look {
		spent, err := underLoad(func() error { return sleep(ctx, look) })
		if err != nil {
			return err
		}
		if spent.cpu["kube-apiserver"] < idle*look.Seconds() {
			return nil
		}
	}
	return fmt.Errorf("the API server is still busy with the new records after %s", scaleLimit)
}

// fillOne makes the first record, through the API server.
func (c *scale) fillOne(ctx context.Context, describe func(context.Context, int) (*v1alpha1.MultipartUpload, error)) (*v1alpha1.MultipartUpload, error) {
	u, err := describe(ctx, 0)
	if err != nil {
		return nil, err
	}
	status := u.Status
	u.Status = v1alpha1.MultipartUploadStatus{}
	if err := c.admin.Create(ctx, u); err != nil {
		return nil, err
	}
	created := u.DeepCopy()
	u.Status = status
	return u, c.admin.Status().Patch(ctx, u, client.MergeFrom(created))
}

// newRecord is a record as the data plane makes it.
func newRecord(kind string, i int) *v1alpha1.MultipartUpload {
	u := &v1alpha1.MultipartUpload{}
	u.Namespace = scaleNamespace(i)
	u.Spec.StoreName, u.Spec.EntityID, u.Spec.Path = scaleStore, entity, scalePath(kind, i)
	u.Spec.ContentType, u.Spec.CreatedBy, u.Spec.DesiredState = "application/octet-stream", "system:serviceaccount:"+u.Namespace+":bench", v1alpha1.DesiredStateUploading
	u.Name = upload.Name(scaleStore, upload.FileOf(u))
	u.Labels = map[string]string{v1alpha1.LabelCreatedThrough: v1alpha1.CreatedThroughREST}
	u.Status.StoreName, u.Status.ObservedGeneration, u.Status.FileVersion = scaleStore, ptr.To[int64](1), ptr.To[int64](0)
	u.Status.ObjectKey = scaleStore + "/" + u.Namespace + "/" + entity + "/" + u.Spec.Path
	return u
}

func scalePath(kind string, i int) string {
	return fmt.Sprintf("logs/2026/%s/engine-%06d.bin", kind, i)
}

// openUpload is an upload that takes parts, and was started some time of the last day.
func (c *scale) openUpload(ctx context.Context, i int) (*v1alpha1.MultipartUpload, error) {
	u := newRecord("open", i)
	u.Finalizers = []string{v1alpha1.FinalizerAbortUpload}
	store := c.testbed.stores[0]
	core, err := newCore(store.endpoint, store.accessKey, store.secretKey, scaleTransport)
	if err != nil {
		return nil, err
	}
	if u.Status.UploadID, err = core.NewMultipartUpload(ctx, bucket, u.Status.ObjectKey, minio.PutObjectOptions{}); err != nil {
		return nil, err
	}
	started := time.Now().Add(-time.Duration(i) * 24 * time.Hour / time.Duration(c.settings.open)).Truncate(time.Second)
	u.Status.Phase = v1alpha1.PhaseUploading
	u.Status.StartTime, u.Status.ExpirationTime = ptr.To(metav1.NewTime(started)), ptr.To(metav1.NewTime(started.Add(48*time.Hour)))
	u.Status.Conditions = []metav1.Condition{
		scaleCondition(v1alpha1.ConditionInitiated, metav1.ConditionTrue, v1alpha1.ReasonInitiated, "object storage has opened the upload", started),
		scaleCondition(v1alpha1.ConditionCompleted, metav1.ConditionFalse, v1alpha1.ReasonUploading, "parts are taken", started),
		scaleCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUploading, "parts are taken", started),
	}
	return u, nil
}

// scaleTransport keeps the connections of all fillers.
var scaleTransport = newTransport(fillers)

// finishedUpload is the record of an upload that has become a file a moment ago.
func (c *scale) finishedUpload(_ context.Context, i int) (*v1alpha1.MultipartUpload, error) {
	u := newRecord("finished", i)
	u.Spec.DesiredState = v1alpha1.DesiredStateCompleted
	now := time.Now().Truncate(time.Second)
	u.Status.UploadID = fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i)
	u.Status.Phase, u.Status.Checksum, u.Status.Size = v1alpha1.PhaseCompleted, "crc64nvme:MN2ofvMjpIQ=", ptr.To[int64](1<<30)
	u.Status.StartTime, u.Status.CompletionTime = ptr.To(metav1.NewTime(now.Add(-time.Hour))), ptr.To(metav1.NewTime(now))
	u.Status.Progress = &v1alpha1.UploadProgress{Parts: ptr.To[int32](128), Bytes: u.Status.Size, DisplayBytes: upload.DisplayBytes(1 << 30), LastPartTime: ptr.To(metav1.NewTime(now))}
	u.Status.Conditions = []metav1.Condition{
		scaleCondition(v1alpha1.ConditionInitiated, metav1.ConditionTrue, v1alpha1.ReasonInitiated, "object storage has opened the upload", now),
		scaleCondition(v1alpha1.ConditionCompleted, metav1.ConditionTrue, v1alpha1.ReasonCompleted, "the file has version 0", now),
		scaleCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonCompleted, "the file has version 0", now),
	}
	return u, nil
}

func scaleCondition(kind string, status metav1.ConditionStatus, reason, message string, at time.Time) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(at)}
}
