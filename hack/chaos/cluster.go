package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// setUpCluster makes what a platform team makes: the Secret and the default FileStore, whose
// endpoint is the link.
func (w *world) setUpCluster(ctx context.Context) error {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	var err error
	if w.kube, err = client.New(w.plane.RESTConfig(), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	fs := &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: storeName, Annotations: map[string]string{v1alpha1.AnnotationDefaultStore: "true"}}}
	fs.Spec = v1alpha1.FileStoreSpec{
		Endpoint: "http://" + w.storeLink.address(), Region: w.store.Region, Bucket: bucket, OrphanPolicy: v1alpha1.OrphanPolicyAbort,
		Credentials: &v1alpha1.FileStoreCredentials{SecretRef: &v1alpha1.SecretReference{Name: storeName}},
	}
	for _, obj := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: devcluster.OperatorNamespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: devcluster.OperatorNamespace, Name: storeName, Annotations: map[string]string{v1alpha1.AnnotationStores: storeName},
			},
			StringData: map[string]string{v1alpha1.SecretKeyAccessKeyID: w.store.AccessKey, v1alpha1.SecretKeySecretAccessKey: w.store.SecretKey},
		},
		fs,
	} {
		if err := client.IgnoreAlreadyExists(w.kube.Create(ctx, obj)); err != nil {
			return err
		}
	}
	return nil
}

// waitStore waits until the FileStore is ready.
func (w *world) waitStore(ctx context.Context) error {
	return w.until(ctx, 2*time.Minute, func() error {
		fs := &v1alpha1.FileStore{}
		if err := w.kube.Get(ctx, client.ObjectKey{Name: storeName}, fs); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("the FileStore is not ready: %v", c)
		}
		c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionProtected)
		if c == nil {
			return errors.New("the FileStore does not say what it protects")
		}
		if w.protection != c.Reason {
			w.report.say("the FileStore is ready; Protected is %s, %s: %s", c.Status, c.Reason, c.Message)
		}
		w.protection, w.unguarded = c.Reason, c.Reason == v1alpha1.ReasonNoConditions
		return nil
	})
}

// records are all MultipartUploads.
func (w *world) records(ctx context.Context) ([]v1alpha1.MultipartUpload, error) {
	var list v1alpha1.MultipartUploadList
	err := w.kube.List(ctx, &list)
	return list.Items, err
}

// expireSoon gives the open upload of a file little time. If it cannot, because the API server is
// away, the upload just stays.
func (w *world) expireSoon(ctx context.Context, f *file) {
	u := &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: upload.Name(storeName, upload.File{Namespace: namespace, EntityID: f.entity, Path: f.path}),
	}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"ttl":"15s"}}`))
	if err := w.kube.Patch(ctx, u, patch); err == nil {
		w.report.count("left to expire")
	}
}
