package multipartupload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// observation is what was gathered: what Decide looks at, and what act and report need beside it.
type observation struct {
	upload.Observation
	// store is the backend, nil where Problem says why it can't be reached.
	store reconciler.Store
	// parts is the part list with what CompleteUpload wants of it.
	parts []filestore.Part
	// fencing is how long nothing is to be done yet, because the replicas cut the streams of an
	// upload whose time is over. The rest is not gathered then.
	fencing time.Duration
	// at is when it was gathered: the time for which it shows all that Decide wants to see.
	at time.Time
	// silence is for how long this upload has met with nothing but silence of object storage, 0 if
	// it has not.
	silence time.Duration
	// stay is the place of this pass, nil as long as it needs none.
	stay *stay
}

// lane is whose places the pass takes.
func (o *observation) lane() sharing.Lane {
	l := sharing.Lane{Store: upload.StoreNameOf(o.Upload), Namespace: o.Upload.Namespace}
	if o.Store != nil {
		l.Store = o.Store.Name
	}
	return l
}

// key is where the file is, or will be, stored; empty if no key can be made of it: Decide refuses
// such a file before anything is done with its key.
func (o *observation) key() string {
	key, _ := upload.KeyOf(upload.FileOf(o.Upload), o.Store)
	return key
}

func (o *observation) ref() filestore.UploadRef {
	return filestore.UploadRef{Key: o.key(), UploadID: o.Upload.Status.UploadID}
}

// observe gathers the rest, when it is known which FileStore serves the upload. An error means that
// the API server could not be asked, or is errParked; what is wrong with object storage is a
// Problem.
func (r *Reconciler) observe(ctx context.Context, o *observation) error {
	u := o.Upload
	if o.fencing = upload.Fencing(u, o.Store, o.at); o.fencing > 0 {
		return nil
	}
	if u.Status.UploadID == "" && !upload.Ended(u) {
		if err := r.observeOthers(ctx, o); err != nil {
			return err
		}
	}
	if o.Problem != nil {
		return nil
	}
	return r.observeBackend(ctx, o)
}

// observeOthers finds out who else has the file, and how much the namespace has open.
func (r *Reconciler) observeOthers(ctx context.Context, o *observation) error {
	u := o.Upload
	same, err := r.Catalog.OfFile(ctx, upload.FileOf(u))
	if err != nil {
		return err
	}
	o.Holder = slices.DeleteFunc(same, func(other *v1alpha1.MultipartUpload) bool { return other.UID == u.UID }).Holder()
	if o.Store == nil {
		return nil
	}
	return r.countHeld(ctx, o, r.claims.Others(placeOf(o), u.Name, o.at))
}

// observeBackend looks at object storage, as far as Decide needs it: at the part list first, so
// that an assembly that ends in between, begun by a pass that crashed, is seen as the finished file
// and not as a lost upload.
func (r *Reconciler) observeBackend(ctx context.Context, o *observation) error {
	needObject, needParts := upload.Needs(o.Upload, o.Store, r.checks.last(client.ObjectKeyFromObject(o.Upload)), o.at)
	if !needObject && !needParts {
		return nil
	}
	if err := r.takeWorker(o); err != nil {
		return err
	}
	r.lookAt(ctx, o, needObject, needParts)
	return nil
}

// observeAborted looks whether the parts are gone. While nobody has asked for the file, none can
// have come of the upload since the object was looked at.
func (r *Reconciler) observeAborted(ctx context.Context, o *observation) {
	r.lookAt(ctx, o, upload.Desired(o.Upload) != v1alpha1.DesiredStateUploading, true)
}

func (r *Reconciler) lookAt(ctx context.Context, o *observation, object, partList bool) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if partList {
		if err := o.observeParts(ctx); err != nil {
			r.blame(ctx, o, err)
			return
		}
		name := client.ObjectKeyFromObject(o.Upload)
		r.checks.note(name, o.at)
		o.Unconfirmed = r.checks.unconfirmed(o.Upload, o.partsMissing(), o.at)
		object = object || (o.PartList.Lost && o.Object == nil)
	}
	if object && o.key() != "" {
		r.observeObject(ctx, o)
	}
}

// observeObject looks at what is stored at the file's key. Where it will be replaced, on the
// condition that it has the ETag that was seen, the ETag has to be that of the version that was
// seen; so has what is recorded of a finished file.
func (r *Reconciler) observeObject(ctx context.Context, o *observation) {
	object, err := o.store.Stat(ctx, o.key())
	opening := o.Upload.Status.UploadID == "" && o.Upload.Spec.IfMatch != nil // its ETag is recorded
	if err == nil && (opening || upload.Desired(o.Upload) == v1alpha1.DesiredStateCompleted) {
		object, err = filestore.StatSettled(ctx, o.store.Stat, object)
	}
	switch {
	case errors.Is(err, filestore.ErrInvalidKey) && o.Upload.Status.UploadID == "":
		problem := upload.Problem(invalidKey)
		o.Problem = &problem
	case errors.Is(err, filestore.ErrNotFound), errors.Is(err, filestore.ErrInvalidKey):
		o.Object = &upload.Object{}
	case err != nil:
		r.blame(ctx, o, err)
	default:
		o.Object = &upload.Object{Exists: true, ETag: object.ETag, Modified: object.Modified, Metadata: upload.DecodeFileMetadata(object.Metadata)}
	}
}

// finished looks whether the file is what the upload was assembled into. What is said of it is
// recorded, so it must not be half of another version.
func (o *observation) finished(ctx context.Context) (object filestore.Object, ours bool, err error) {
	object, err = o.store.Stat(ctx, o.key())
	if err == nil {
		object, err = filestore.StatSettled(ctx, o.store.Stat, object)
	}
	return object, err == nil && upload.DecodeFileMetadata(object.Metadata).Owner == o.Upload.UID, err
}

// blame notes that object storage failed.
func (r *Reconciler) blame(ctx context.Context, o *observation, err error) {
	log.FromContext(ctx).Error(err, "object storage failed", "store", o.Store.Name)
	o.Problem = storeProblem(o.Store.Name, err)
	if o.silence = 0; errors.Is(err, filestore.ErrSilent) {
		now := r.Clock.Now()
		since, _ := r.checks.silent.note(o.Upload, now)
		o.silence = now.Sub(since)
	}
}

// observeParts lists the parts. Where the file is to end with the last of them, nothing that is
// being replaced must be missing.
func (o *observation) observeParts(ctx context.Context) error {
	list := func(ctx context.Context) ([]filestore.Part, error) { return o.store.ListParts(ctx, o.ref()) }
	var parts []filestore.Part
	var err error
	if upload.Desired(o.Upload) == v1alpha1.DesiredStateCompleted && !upload.EndKnown(o.Upload) {
		parts, err = filestore.ListSettled(ctx, list)
	} else {
		parts, err = list(ctx)
	}
	if errors.Is(err, filestore.ErrNoSuchUpload) {
		o.PartList, o.parts = &upload.PartList{Lost: true}, nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("list parts: %w", err)
	}
	partList := &upload.PartList{Parts: make([]upload.Part, len(parts))}
	for i, p := range parts {
		partList.Parts[i] = upload.Part{Number: p.Number, Size: p.Size, Unclear: p.Unclear}
	}
	o.PartList, o.parts = partList, filestore.Clear(parts)
	return nil
}

// partsMissing reports whether the upload is to be completed, and its parts are not all there.
func (o *observation) partsMissing() bool {
	if o.PartList.Lost || upload.Desired(o.Upload) != v1alpha1.DesiredStateCompleted {
		return false
	}
	_, err := upload.MissingParts(o.Upload, o.PartList)
	return err != nil
}

// storeProblem is what to tell the cluster's users when a FileStore cannot be used. What the
// backend said stays in the log: it may name what a tenant must not see.
func storeProblem(name string, err error) *upload.Problem {
	var config *filestore.ConfigError
	switch {
	case errors.As(err, &config):
		return &upload.Problem{Reason: v1alpha1.ReasonStoreUnavailable, Message: fmt.Sprintf("the FileStore %q cannot be used: see its conditions", name)}
	case filestore.Terminal(err):
		return &upload.Problem{Reason: v1alpha1.ReasonStoreUnavailable, Message: fmt.Sprintf("object storage refuses what the FileStore %q asks of it: see its conditions, and the operator's log", name)}
	default:
		return &upload.Problem{Reason: v1alpha1.ReasonStoreUnavailable, Message: fmt.Sprintf("object storage of the FileStore %q does not answer; it is tried again", name)}
	}
}
