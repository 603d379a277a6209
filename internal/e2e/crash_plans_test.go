package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/minio/minio-go/v7"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
)

const (
	put      = http.MethodPut
	crashKey = "0d7c7f5e-8d39-4a53-b1a2-5d6f0c1e2b3a"
	smallest = 5 * mib
)

// midBody is in the middle of a body of the smallest size of a part.
const midBody = string(failpoint.BodyRead) + "=3"

func names(points ...failpoint.Name) []string {
	var out []string
	for _, p := range points {
		out = append(out, string(p))
	}
	return out
}

// ending are the steps by which an upload ends without a file; going those by which a deleted one
// does, whose record goes without a word.
var (
	ending = names(failpoint.AbortConfirmed, failpoint.PartsAborted, failpoint.EndRecorded, failpoint.FinalizerRemoved)
	going  = names(failpoint.AbortConfirmed, failpoint.PartsAborted, failpoint.FinalizerRemoved)
)

var crashPlans = []crashPlan{
	{"start", names(failpoint.StartAdmitted, failpoint.StartRecorded, failpoint.UploadCreated, failpoint.UploadRecorded, failpoint.StartOpened), crashStart},
	{"start over a finished record", names(failpoint.StartNameCleared), crashStartAgain},
	{"manifest", names(failpoint.FinalizerAdded, failpoint.UploadCreated, failpoint.UploadRecorded), crashManifest},
	{"part", append(names(failpoint.PartAdmitted, failpoint.PartStored), midBody), crashPart},
	{"progress", names(failpoint.ProgressListed, failpoint.ProgressRecorded), crashProgress},
	{"complete", append(names(failpoint.FinalNumberRecorded, failpoint.PartAdmitted, failpoint.PartStored, failpoint.CompletionIntended, failpoint.AssemblyDecided,
		failpoint.FileAssembled, failpoint.EndRecorded, failpoint.FinalizerRemoved, failpoint.CompletionSeen), midBody), crashComplete},
	{"abort", append(names(failpoint.AbortIntended, failpoint.AbortSeen), going...), crashAbort},
	{"abort by manifest", ending, crashAbortManifest},
	{"expiry", ending, crashExpiry},
	{"kubectl delete", going, crashDelete},
	{"whole file", []string{string(failpoint.ObjectStored), string(failpoint.BodyRead) + "=2"}, crashPut},
	{"delete file", names(failpoint.ObjectDeleted), crashDeleteFile},
	{"new store", names(failpoint.StoreHeld), crashNewStore},
	{"delete store", names(failpoint.StoreReleased), crashDeleteStore},
	{"sweep", names(failpoint.OrphansListed, failpoint.OrphanAborted), crashSweep},
}

func crashStart(c *crash) {
	c.dying(put, "?upload=start", nil, "Idempotency-Key", crashKey)
	c.must(c.t, 201, put, "?upload=start", nil, "Idempotency-Key", crashKey)
	c.must(c.t, 400, put, "?upload=start", nil) // there is one, and it is that of the key
	c.finish("0")
}

// finish completes the upload with one body.
func (c *crash) finish(version string, header ...string) {
	c.t.Helper()
	status := 201
	if version != "0" {
		status = 204
	}
	content := random(1000)
	c.must(c.t, status, put, "?upload=complete", content, header...)
	c.holds(content, version)
	c.recordCompleted(len(content))
}

func crashStartAgain(c *crash) {
	c.must(c.t, 201, put, "?upload=start", nil)
	c.finish("0")
	c.dying(put, "?upload=start", nil, "If-Match", "0", "Idempotency-Key", crashKey)
	c.must(c.t, 204, put, "?upload=start", nil, "If-Match", "0", "Idempotency-Key", crashKey)
	c.finish("1", "If-Match", "0")
}

// manifest creates an upload of the file as GitOps does.
func (c *crash) manifest(ctx context.Context) string {
	u := &v1alpha1.MultipartUpload{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "crash-" + c.entity},
		Spec:       v1alpha1.MultipartUploadSpec{EntityID: c.entity, Path: c.path},
	}
	if err := system.kube.Create(ctx, u); err != nil {
		c.t.Error(err)
	}
	return u.Name
}

func (c *crash) waitFor(name, what string) {
	c.t.Helper()
	c.kubectl(c.t, "", "wait", "--for="+what, "mpu/"+name, "--timeout=120s")
}

func (c *crash) patch(name, spec string) {
	c.kubectl(c.t, "", "patch", "mpu", name, "--type=merge", "-p", fmt.Sprintf(`{"spec":{%s}}`, spec))
}

func crashManifest(c *crash) {
	var name string
	c.die(func(ctx context.Context) { name = c.manifest(ctx) })
	c.waitFor(name, "condition=Initiated")
	c.must(c.t, 201, put, "?upload=complete", []byte("x"))
	c.holds([]byte("x"), "0")
	c.waitFor(name, "condition=Ready")
	c.noneOpen(c.get(c.t, name).Status.ObjectKey) // without a record, a store that lists by exact key would not show what the crash has left
	c.kubectl(c.t, "", "delete", "mpu", name)
	c.gone(name)
}

// Part 1 is sent again with other bytes: whichever it holds after the crash, it holds them whole,
// and those that were acknowledged if object storage did not have the others yet (docs/rest-api.md,
// "Part").
func crashPart(c *crash) {
	before, after := random(smallest), random(smallest)
	c.must(c.t, 201, put, "?upload=start", nil)
	c.must(c.t, 201, put, "?part=1", before)
	c.dying(put, "?part=1", after)
	if list := c.parts(c.t, "fileslist"); len(list) != 1 {
		c.t.Errorf("%d parts are listed", len(list))
	}
	second := random(smallest)
	c.must(c.t, 201, put, "?part=2", second)
	c.must(c.t, 201, put, "?upload=complete", nil)
	want := before
	if c.at(failpoint.PartStored) {
		want = after
	}
	c.holds(slices.Concat(want, second), "0")
	c.recordCompleted(2 * smallest)
}

func crashProgress(c *crash) {
	content := random(2 * smallest)
	c.must(c.t, 201, put, "?upload=start", nil)
	c.dying(put, "?part=1", content[:smallest])
	c.must(c.t, 201, put, "?part=2", content[smallest:])
	eventually(c.t, "progress tells of both parts", func() error {
		p := c.mustRecord(c.t).Status.Progress
		if p == nil || p.Parts == nil || *p.Parts != 2 || *p.Bytes != 2*smallest {
			return fmt.Errorf("it is %+v", p)
		}
		return nil
	})
	c.must(c.t, 201, put, "?upload=complete", nil)
	c.holds(content, "0")
	c.recordCompleted(2 * smallest)
}

// An update, so that each crash also shows that the version rises once, and that readers have the
// old file until the new one is whole.
func crashComplete(c *crash) {
	old, content := random(1000), random(2*smallest)
	c.must(c.t, 201, put, "", old)
	c.must(c.t, 204, put, "?upload=start", nil, "If-Match", "0")
	c.must(c.t, 204, put, "?part=1", content[:smallest], "If-Match", "0")
	c.dying(put, "?upload=complete", content[smallest:], "If-Match", "0")
	if c.at(failpoint.FinalNumberRecorded, failpoint.PartAdmitted, failpoint.PartStored, failpoint.BodyRead) {
		c.holds(old, "0")
	} else if c.at(failpoint.CompletionIntended) && c.assemblyLost() {
		c.must(c.t, 400, put, "?upload=complete", content[smallest:], "If-Match", "0")
		c.holds(old, "0")
		c.must(c.t, 204, put, "?upload=abort", nil)
		return
	} else { // goes on by itself
		c.recordCompleted(len(content))
		c.holds(content, "1")
	}
	for range 2 {
		if a := c.must(c.t, 204, put, "?upload=complete", content[smallest:], "If-Match", "0"); a.header.Get("ETag") != "1" {
			c.t.Errorf("the repeated request is told version %s", a.header.Get("ETag"))
		}
	}
	c.holds(content, "1")
	c.recordCompleted(len(content))
}

// assemblyLost waits for the end of a completion, and reports whether object storage has lost the
// parts: MinIO does when the operator dies while it assembles them, which it may have been asked
// for by then. The record and the client are told.
func (c *crash) assemblyLost() (lost bool) {
	c.t.Helper()
	eventually(c.t, "the completion ends", func() error {
		u, err := c.record(c.t.Context())
		if err != nil || u.Status.Phase == v1alpha1.PhaseCompleted {
			return err
		}
		ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
		if lost = ready != nil && ready.Reason == v1alpha1.ReasonPartsMissing && c.store.Kind == devcluster.StoreMinIO; !lost {
			return fmt.Errorf("the status is %+v", u.Status)
		}
		return nil
	})
	return lost
}

func crashAbort(c *crash) {
	c.must(c.t, 201, put, "?upload=start", nil)
	c.must(c.t, 201, put, "?part=1", random(smallest))
	u := c.mustRecord(c.t)
	c.dying(put, "?upload=abort", nil)
	a, err := c.do(c.t.Context(), put, c.url("files", "?upload=abort"), nil)
	if err != nil || (a.status != 204 && a.status != 404) { // 404: the first request did it
		c.t.Fatalf("the repeated abort: %+v, %v", a, err)
	}
	c.gone(u.Name)
	c.waitNoParts(c.t, u)
	c.free()
}

// free makes sure that there is no file, and that its path can be used.
func (c *crash) free() {
	c.t.Helper()
	c.must(c.t, 404, http.MethodGet, "", nil)
	c.must(c.t, 201, put, "?upload=start", nil)
	c.finish("0")
}

// opened makes an upload by manifest that has a part.
func (c *crash) opened() *v1alpha1.MultipartUpload {
	c.t.Helper()
	name := c.manifest(c.t.Context())
	c.waitFor(name, "condition=Initiated")
	eventually(c.t, "a part is taken", func() error { // the data plane knows the record when its cache does
		a, err := c.do(c.t.Context(), put, c.url("files", "?part=1"), random(smallest))
		if err == nil && a.status != 201 {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	})
	return c.get(c.t, name)
}

func crashAbortManifest(c *crash) {
	u := c.opened()
	c.die(func(context.Context) { c.patch(u.Name, `"desiredState":"Aborted"`) })
	c.waitFor(u.Name, "jsonpath={.status.phase}=Aborted")
	c.waitNoParts(c.t, u)
	c.kubectl(c.t, "", "delete", "mpu", u.Name, "--timeout=120s")
	c.free()
}

func crashDelete(c *crash) {
	u := c.opened()
	c.die(func(context.Context) { c.kubectl(c.t, "", "delete", "mpu", u.Name, "--wait=false") })
	c.gone(u.Name)
	c.waitNoParts(c.t, u)
	c.free()
}

func crashExpiry(c *crash) {
	c.must(c.t, 201, put, "?upload=start", nil)
	c.must(c.t, 201, put, "?part=1", random(smallest))
	u := c.mustRecord(c.t)
	c.die(func(context.Context) { c.patch(u.Name, `"ttl":"1s"`) })
	c.waitFor(u.Name, "jsonpath={.status.phase}=Expired")
	c.waitNoParts(c.t, u)
	c.must(c.t, 409, put, "?part=2", random(smallest))
	c.free()
}

func crashPut(c *crash) {
	first, second := random(smallest), random(smallest)
	c.dying(put, "", first, "Idempotency-Key", crashKey)
	if c.at(failpoint.BodyRead) {
		c.must(c.t, 404, http.MethodGet, "", nil)
	}
	if a := c.must(c.t, 201, put, "", first, "Idempotency-Key", crashKey); a.header.Get("ETag") != "0" {
		c.t.Errorf("the repeated request is told version %s", a.header.Get("ETag"))
	}
	c.holds(first, "0")
	c.dying(put, "", second, "If-Match", "0", "Idempotency-Key", crashKey)
	if c.at(failpoint.BodyRead) {
		c.holds(first, "0")
	}
	if a := c.must(c.t, 204, put, "", second, "If-Match", "0", "Idempotency-Key", crashKey); a.header.Get("ETag") != "1" {
		c.t.Errorf("the repeated request is told version %s", a.header.Get("ETag"))
	}
	c.holds(second, "1")
}

func crashDeleteFile(c *crash) {
	c.must(c.t, 201, put, "", []byte("x"))
	c.dying(http.MethodDelete, "", nil)
	c.must(c.t, 404, http.MethodDelete, "", nil)
	c.must(c.t, 404, http.MethodGet, "", nil)
	c.free()
}

// ownStore describes a FileStore of the file's own, in the bucket for such.
func (c *crash) ownStore() *v1alpha1.FileStore {
	c.t.Helper()
	fs := &v1alpha1.FileStore{}
	if err := system.kube.Get(c.t.Context(), client.ObjectKey{Name: string(c.store.Kind)}, fs); err != nil {
		c.t.Fatal(err)
	}
	fs.ObjectMeta = metav1.ObjectMeta{Name: "own-" + c.entity}
	fs.Spec.Bucket, fs.Spec.Prefix = ownStoresBucket, "own-"+c.entity+"/"
	return fs
}

func crashNewStore(c *crash) {
	fs := c.ownStore()
	c.die(func(ctx context.Context) {
		if err := system.kube.Create(ctx, fs); err != nil {
			c.t.Error(err)
		}
	})
	c.kubectl(c.t, "", "wait", "--for=condition=Ready", "filestore/"+fs.Name, "--timeout=120s")
	c.kubectl(c.t, "", "delete", "filestore", fs.Name, "--timeout=120s")
}

func crashDeleteStore(c *crash) {
	fs := c.ownStore()
	if err := system.kube.Create(c.t.Context(), fs); err != nil {
		c.t.Fatal(err)
	}
	c.kubectl(c.t, "", "wait", "--for=condition=Ready", "filestore/"+fs.Name, "--timeout=120s")
	c.die(func(context.Context) { c.kubectl(c.t, "", "delete", "filestore", fs.Name, "--wait=false") })
	c.kubectl(c.t, "", "wait", "--for=delete", "filestore/"+fs.Name, "--timeout=120s")
}

// An upload that nobody owns, of a file that has one: the sweep takes the one and leaves the other.
func crashSweep(c *crash) {
	content := random(smallest)
	c.must(c.t, 201, put, "?upload=start", nil)
	c.must(c.t, 201, put, "?part=1", content)
	key := c.mustRecord(c.t).Status.ObjectKey
	var orphan string
	c.die(func(ctx context.Context) {
		var err error
		if orphan, err = c.s3.NewMultipartUpload(ctx, bucket, key, minio.PutObjectOptions{}); err != nil {
			c.t.Error(err)
		}
	})
	eventually(c.t, "the orphan goes", func() error {
		_, err := c.s3.ListObjectParts(c.t.Context(), bucket, key, orphan, 0, 1000)
		if minio.ToErrorResponse(err).Code == "NoSuchUpload" {
			return nil
		}
		return errors.Join(errors.New("it is open"), err)
	})
	c.must(c.t, 201, put, "?upload=complete", nil)
	c.holds(content, "0")
	c.recordCompleted(smallest)
}
