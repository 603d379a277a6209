package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// probeContent is what the object of a probe holds, but while whole bodies are tried.
const probeContent = "probe of iotfile-operator; may be deleted\n"

// probeOptions are what the object is stored with. A listing has to give back each character of it.
var probeOptions = filestore.CreateUploadOptions{
	ContentType: "text/plain; charset=utf-8",
	Metadata:    map[string]string{"iotfile-probe": "two  blanks, \"quotes\", 100% + #1 & <x>; a=b", "content-type": "mine"},
}

// putHarmed sends the object again, cut short and damaged on the way. That it is still as it was,
// which is the answer, has to be seen later, in keptObject.
func (p *probe) putHarmed(ctx context.Context, mode v1alpha1.PayloadMode, content []byte) error {
	before, err := p.Stat(ctx, p.key)
	if err != nil {
		return err
	}
	p.before = before
	cut := io.MultiReader(bytes.NewReader(content[:probeCutAfter]), failing{errProbeCut})
	if _, err := p.PutObject(ctx, p.key, cut, int64(len(content)), probeOptions, filestore.Condition{}); !errors.Is(err, errProbeCut) {
		return err
	}
	if mode == v1alpha1.PayloadUnsigned {
		return nil
	}
	_, err = p.PutObject(damaging(ctx), p.key, bytes.NewReader(content), int64(len(content)), probeOptions, filestore.Condition{})
	if err == nil {
		return refused(mode, "a file that was damaged on the way was taken")
	}
	if errors.Is(err, filestore.ErrUnavailable) {
		return err
	}
	return nil
}

// keptObject fails unless the object is what it was before putHarmed. It leaves one behind that was
// sent in the mode.
func (p *probe) keptObject(ctx context.Context, mode v1alpha1.PayloadMode) error {
	kept, err := p.Stat(ctx, p.key)
	if err != nil {
		return err
	}
	if kept.ETag != p.before.ETag || kept.Size != p.before.Size {
		return refused(mode, "a file that was cut short or damaged was stored")
	}
	return p.putSmall(ctx, filestore.Condition{})
}

// putSmall stores the object. It is small, so that the answer of a backend that refuses it before
// it has read it is not lost to a reset.
func (p *probe) putSmall(ctx context.Context, cond filestore.Condition) error {
	o, err := p.PutObject(ctx, p.key, bytes.NewReader([]byte(probeContent)), int64(len(probeContent)), probeOptions, cond)
	if err == nil {
		p.etag = o.ETag
	}
	return err
}

// findListingMetadata looks for the metadata of the object in a listing. A backend that breaks on
// the question does not have it; one that is down is noticed elsewhere.
func (p *probe) findListingMetadata(ctx context.Context) bool {
	asking := *p.store
	asking.cfg.ListingMetadata = true
	found := false
	err := asking.ListObjects(ctx, p.key, "", func(o filestore.Object) bool {
		found = o.Key == p.key && o.ContentType == probeOptions.ContentType && maps.Equal(o.Metadata, probeOptions.Metadata)
		return !found
	})
	return err == nil && found
}
