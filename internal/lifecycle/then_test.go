package lifecycle

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// tenant is the namespace of the uploads, storeName the store that they are in.
const (
	tenant    = "team-a"
	storeName = "main"
	prefix    = "iot/"
)

// then is an upload as the operator of then has left it.
type then struct {
	name, entity, path string
	spec               string // more lines of it
	opened             bool   // with one part in object storage
	started            time.Duration
	finished           bool
}

func (u then) key() string { return prefix + tenant + "/" + u.entity + "/" + u.path }

func (u then) rest(query string) string { return u.entity + "/" + u.path + query }

func entity(n int) string { return fmt.Sprintf("e%031x", n) } // not digits alone, which YAML takes for a number

// part is the content of a part of that number.
func part(n int) []byte { return bytes.Repeat([]byte{byte('a' + n)}, smallest) }

// uploadsOfThen has one upload in each state that an upgrade can find it in.
func uploadsOfThen() map[string]then {
	all := map[string]then{}
	add := func(n int, u then) {
		u.entity, u.path = entity(n), u.name+".bin"
		all[u.name] = u
	}
	add(1, then{name: "open", opened: true, started: time.Hour})
	add(2, then{name: "over-rest", opened: true, started: time.Hour, spec: "  createdBy: system:serviceaccount:team-a:app\n  idempotencyKey: once\n"})
	add(3, then{name: "waiting"})
	add(4, then{name: "overdue", opened: true, started: 49 * time.Hour})
	add(5, then{name: "aborting", opened: true, started: time.Hour, spec: "  desiredState: Aborted\n"})
	add(6, then{name: "completing", opened: true, started: time.Hour, spec: "  desiredState: Completed\n"})
	add(7, then{name: "finished", opened: true, started: time.Hour, finished: true, spec: "  desiredState: Completed\n"})
	return all
}

// recordName is that of the upload's record: over REST it is derived from the file.
func (u then) recordName() string {
	if u.name == "over-rest" {
		return upload.Name(storeName, upload.File{Namespace: tenant, EntityID: u.entity, Path: u.path})
	}
	return u.name
}

// record makes the upload in the API, and in object storage, and the status that tells of it.
func (w *world) record(t *testing.T, u then) {
	t.Helper()
	labels := ""
	if u.name == "over-rest" {
		labels = "\n  labels:\n    iotfile.dev/created-through: rest"
	}
	w.apply(t, fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata:\n  name: %s\n  namespace: %s%s\nspec:\n  entityID: %s\n  path: %s\n%s",
		u.recordName(), tenant, labels, u.entity, u.path, u.spec))
	if !u.opened {
		return
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MultipartUpload"))
	check(t, w.admin.Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: u.recordName()}, obj))
	meta := upload.FileMetadata{Owner: obj.GetUID(), Created: time.Now()}
	id, err := w.s3.NewMultipartUpload(t.Context(), bucket, u.key(), minio.PutObjectOptions{UserMetadata: meta.Encode()})
	check(t, err)
	landed, err := w.s3.PutObjectPart(t.Context(), bucket, u.key(), id, 1, bytes.NewReader(part(1)), smallest, minio.PutObjectPartOptions{})
	check(t, err)
	now := time.Now()
	stamp := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	reason, ready := "Uploading", "False"
	status := map[string]any{
		"phase": reason, "storeName": storeName, "uploadID": id, "objectKey": u.key(), "startTime": stamp(now.Add(-u.started)), "fileVersion": int64(0), "observedGeneration": int64(1),
	}
	if u.finished {
		_, err := w.s3.CompleteMultipartUpload(t.Context(), bucket, u.key(), id, []minio.CompletePart{{PartNumber: 1, ETag: landed.ETag}}, minio.PutObjectOptions{})
		check(t, err)
		reason, ready = "Completed", "True"
		status["phase"], status["completionTime"], status["size"] = reason, stamp(now), int64(smallest)
	} else {
		status["expirationTime"] = stamp(now.Add(48*time.Hour - u.started))
		obj.SetFinalizers([]string{v1alpha1.FinalizerAbortUpload})
		check(t, w.admin.Update(t.Context(), obj))
	}
	var conditions []any
	for kind, value := range map[string]string{"Initiated": "True", "Completed": ready, "Ready": ready} {
		why := reason
		if kind == "Initiated" {
			why = kind
		}
		conditions = append(conditions, map[string]any{
			"type": kind, "status": value, "reason": why, "message": "as it was then", "lastTransitionTime": stamp(now), "observedGeneration": int64(1),
		})
	}
	status["conditions"] = conditions
	obj.Object["status"] = status
	check(t, w.admin.Status().Update(t.Context(), obj))
	if stored, _, _ := unstructured.NestedString(obj.Object, "status", "uploadID"); stored != id {
		t.Fatalf("the kind of then does not keep the status: %v", obj.Object["status"])
	}
}

// recordStore makes the FileStore one of then: an operator has found it ready, and its Secret was
// never asked.
func (w *world) recordStore(t *testing.T) {
	t.Helper()
	w.run(t, "", "annotate", "secret", "--namespace="+namespace, "iot-files-s3", v1alpha1.AnnotationStores+"-")
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FileStore"))
	check(t, w.admin.Get(t.Context(), client.ObjectKey{Name: storeName}, obj))
	obj.Object["status"] = map[string]any{
		"observedGeneration": obj.GetGeneration(),
		"capabilities":       map[string]any{"payloadMode": "TrailingCRC64NVME", "uploadListing": "Prefix", "conditionalComplete": true},
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Probed", "message": "as it was then", "observedGeneration": obj.GetGeneration(),
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		}},
	}
	check(t, w.admin.Status().Update(t.Context(), obj))
}
