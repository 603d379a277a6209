package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// floorGroup has a copy of the kind: with the same schema, and so the same work for the API server,
// but without an operator that reconciles it.
const floorGroup = "floor.iotfile.dev"

// floor makes the calls of a start and of a completion, one after the other, with the contents that
// the operator's have.
type floor struct {
	api   client.Client
	store filestore.Store
	kind  schema.GroupVersionKind
}

// floorUpload is an upload of the floor's own.
type floorUpload struct {
	object *unstructured.Unstructured
	ref    filestore.UploadRef
}

// compareWithFloor opens and completes uploads, in turn through the operator and by the bare calls.
func (c *control) compareWithFloor(ctx context.Context, rounds int) error {
	f, err := c.newFloor(ctx)
	if err != nil {
		return err
	}
	times := map[string]latencies{}
	for i := range rounds + 5 {
		if i == 5 { // warm
			times = map[string]latencies{}
		}
		if err := c.compareOnce(ctx, f, fmt.Sprintf("floor/%d.bin", i), times); err != nil {
			return err
		}
	}
	fmt.Printf("\n%d uploads with one part each, one after the other, in turn through the operator and as bare calls; load average %s:\n\n", rounds, loadAverage())
	fmt.Println("| | p50 | p99 | p50 × bare calls | p99 × bare calls |\n|---|--:|--:|--:|--:|")
	for _, what := range []string{"start", "complete"} {
		bare := times["bare "+what]
		for _, name := range []string{what, "bare " + what} {
			p50, p99 := percentile(times[name], 50), percentile(times[name], 99)
			fmt.Printf("| %s | %.1f ms | %.1f ms | %s | %s |\n", name, 1000*p50, 1000*p99, ratio(p50, percentile(bare, 50)), ratio(p99, percentile(bare, 99)))
		}
	}
	return nil
}

// floorPause is between two measurements: what each leaves to be done, events, watches and passes
// of the reconciler, is not to burden the next.
const floorPause = 150 * time.Millisecond

func (c *control) compareOnce(ctx context.Context, f *floor, path string, times map[string]latencies) error {
	var began time.Time
	begin := func() error {
		err := sleep(ctx, floorPause)
		began = time.Now()
		return err
	}
	note := func(what string, err error) error {
		times[what] = append(times[what], time.Since(began).Seconds())
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	if _, err := c.kept.put(ctx, path, "upload=start", ""); note("start", err) != nil {
		return err
	}
	record, err := c.recorded(ctx, path)
	if err != nil {
		return err
	}
	object, status, err := f.copyOf(record)
	if err != nil {
		return err
	}
	u := &floorUpload{object: object, ref: filestore.UploadRef{Key: "floor/" + record.Status.ObjectKey}}
	if err := begin(); err != nil {
		return err
	}
	if err := note("bare start", f.start(ctx, u, record, status)); err != nil {
		return err
	}
	if _, err := c.kept.put(ctx, path, "part=1", "the only part"); err != nil {
		return err
	}
	if err := f.part(ctx, u); err != nil {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	if _, err := c.kept.put(ctx, path, "upload=complete", ""); note("complete", err) != nil {
		return err
	}
	if record, err = c.recorded(ctx, path); err != nil {
		return err
	}
	if _, status, err = f.copyOf(record); err != nil {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	return note("bare complete", f.complete(ctx, u, status))
}

// recorded is the operator's record of a file.
func (c *control) recorded(ctx context.Context, path string) (*v1alpha1.MultipartUpload, error) {
	u := &v1alpha1.MultipartUpload{}
	file := upload.File{Namespace: "kept", EntityID: entity, Path: path}
	return u, c.admin.Get(ctx, client.ObjectKey{Namespace: "kept", Name: upload.Name("kept", file)}, u)
}

// newFloor installs the copy of the kind.
func (c *control) newFloor(ctx context.Context) (*floor, error) {
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	if err := c.admin.Get(ctx, client.ObjectKey{Name: "multipartuploads." + v1alpha1.GroupVersion.Group}, crd); err != nil {
		return nil, err
	}
	copied := &unstructured.Unstructured{Object: map[string]any{"spec": crd.Object["spec"]}}
	copied.SetGroupVersionKind(crd.GroupVersionKind())
	copied.SetName("multipartuploads." + floorGroup)
	unstructured.RemoveNestedField(copied.Object, "spec", "names", "shortNames")
	unstructured.RemoveNestedField(copied.Object, "spec", "names", "categories")
	if err := unstructured.SetNestedField(copied.Object, floorGroup, "spec", "group"); err != nil {
		return nil, err
	}
	if err := c.admin.Create(ctx, copied); err != nil {
		return nil, err
	}
	const created = 5 * time.Second // the API server holds the first creates of a new kind up
	if err := sleep(ctx, created); err != nil {
		return nil, err
	}
	api, err := client.New(c.testbed.system.ControlPlane.RESTConfig(), client.Options{})
	if err != nil {
		return nil, err
	}
	st := c.testbed.stores[0]
	store, err := s3.New(filestore.Config{
		Name: st.name, Endpoint: st.endpoint, Region: region, Bucket: bucket, PayloadMode: v1alpha1.PayloadTrailingCRC64NVME,
		Credentials: &filestore.Credentials{AccessKeyID: st.accessKey, SecretAccessKey: st.secretKey},
	})
	return &floor{api: api, store: store, kind: schema.GroupVersionKind{Group: floorGroup, Version: v1alpha1.GroupVersion.Version, Kind: "MultipartUpload"}}, err
}

// copyOf is an object as the data plane has created it, and the status that the reconciler has
// given it.
func (f *floor) copyOf(u *v1alpha1.MultipartUpload) (object *unstructured.Unstructured, status map[string]any, err error) {
	text, err := json.Marshal(u)
	if err != nil {
		return nil, nil, err
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, nil, err
	}
	status, ok := whole["status"].(map[string]any)
	if !ok {
		return nil, nil, errors.New("the upload has no status")
	}
	object = &unstructured.Unstructured{Object: map[string]any{"spec": whole["spec"]}}
	object.SetGroupVersionKind(f.kind)
	object.SetNamespace(u.Namespace)
	object.SetName(u.Name)
	object.SetLabels(maps.Clone(u.Labels))
	object.SetFinalizers(u.Finalizers)
	return object, status, nil
}

// start is what the data plane and the reconciler do: look at the file, create the record, look
// again, open, record.
func (f *floor) start(ctx context.Context, u *floorUpload, record *v1alpha1.MultipartUpload, status map[string]any) error {
	meta := upload.FileMetadata{Owner: record.UID, Created: record.CreationTimestamp.Time, CreatedBy: record.Spec.CreatedBy, UpdatedBy: record.Spec.CreatedBy}
	if err := f.absent(ctx, u); err != nil {
		return err
	}
	if err := f.api.Create(ctx, u.object); err != nil {
		return err
	}
	if err := f.absent(ctx, u); err != nil {
		return err
	}
	var err error
	u.ref.UploadID, err = f.store.CreateUpload(ctx, u.ref.Key, filestore.CreateUploadOptions{ContentType: record.Spec.ContentType, Metadata: meta.Encode()})
	if err != nil {
		return err
	}
	status["uploadID"] = u.ref.UploadID
	return f.record(ctx, u, status)
}

func (f *floor) absent(ctx context.Context, u *floorUpload) error {
	if _, err := f.store.Stat(ctx, u.ref.Key); !errors.Is(err, filestore.ErrNotFound) {
		return fmt.Errorf("there is a file already, or the store fails: %w", err)
	}
	return nil
}

// record is a status write as the reconciler's.
func (f *floor) record(ctx context.Context, u *floorUpload, status map[string]any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": u.object.GetResourceVersion()}, "status": status})
	if err != nil {
		return err
	}
	return f.api.Status().Patch(ctx, u.object, client.RawPatch(types.MergePatchType, patch))
}

func (f *floor) part(ctx context.Context, u *floorUpload) error {
	const body = 13
	_, err := f.store.PutPart(ctx, u.ref, 1, newBody(body), body)
	return err
}

// complete is what the two do: read the record, list the parts, record the intent, list them again,
// look at the file, assemble it, record the end.
func (f *floor) complete(ctx context.Context, u *floorUpload, status map[string]any) error {
	if err := f.api.Get(ctx, client.ObjectKeyFromObject(u.object), u.object); err != nil {
		return err
	}
	if _, err := f.store.ListParts(ctx, u.ref); err != nil {
		return err
	}
	intent := fmt.Sprintf(`{"metadata":{"resourceVersion":%q},"spec":{"desiredState":"Completed"}}`, u.object.GetResourceVersion())
	if err := f.api.Patch(ctx, u.object, client.RawPatch(types.MergePatchType, []byte(intent))); err != nil {
		return err
	}
	parts, err := f.store.ListParts(ctx, u.ref)
	if err != nil {
		return err
	}
	if err := f.absent(ctx, u); err != nil {
		return err
	}
	file, err := f.store.CompleteUpload(ctx, u.ref, parts, filestore.Condition{Absent: true})
	if err != nil {
		return err
	}
	if file.Checksum == "" { // then the operator asks for it
		if _, err := f.store.Stat(ctx, u.ref.Key); err != nil {
			return err
		}
	}
	status["uploadID"] = u.ref.UploadID
	return f.record(ctx, u, status)
}
