package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

const (
	probePartBytes = 128 << 10
	// probeCutAfter is well above the 4 KiB that net/http holds back, so the backend sees the
	// beginning of the part.
	probeCutAfter = 96 << 10
	// probeDamageAt is an offset in the body on the wire that lies in the payload, whatever the
	// framing.
	probeDamageAt = 4096
	// Backends notice only later that a connection was cut. A framed body that ends early cannot be
	// taken for whole; of a plain one that has to be seen, so it gets more time to show.
	settleFramed = 100 * time.Millisecond
	settlePlain  = 2 * time.Second
)

var errProbeCut = errors.New("cut on purpose")

// complete completes the open upload of the probe in the mode that was found.
func (p *probe) complete(ctx context.Context, cond filestore.Condition) (filestore.Object, error) {
	return p.CompleteUpload(ctx, p.open, []filestore.Part{p.part}, cond)
}

// findMode finds the first mode that works and is safe, and leaves an upload with one part open in
// it. The mode that the last probe has found comes first, and is given up only when the backend
// refuses it: uploads that are open can be completed in the mode alone that they were opened in.
func (p *probe) findMode(ctx context.Context) (v1alpha1.PayloadMode, error) {
	var unavailable error
	known := p.cfg.PayloadMode
	refusals := make([]error, 0, len(preferred))
	for _, mode := range modesToTry(known) {
		inMode := *p.store
		inMode.cfg.PayloadMode = mode
		p.store = &inMode
		err := p.tryMode(ctx, mode)
		if err != nil && !filestore.Terminal(err) && ctx.Err() == nil {
			err = p.tryMode(ctx, mode) // once more, so that a passing fault does not cost the better mode
		}
		switch {
		case err == nil:
			return mode, nil
		case ctx.Err() != nil, p.open.UploadID == "":
			return "", err // the upload could not even be opened: nothing that another mode would change
		case !filestore.Terminal(err) && mode == known:
			return "", err // it has worked before
		case !filestore.Terminal(err):
			unavailable = err // some backends break on what they do not know: only if all modes fail, it is down
		}
		refusals = append(refusals, err)
		if err := p.AbortUpload(ctx, p.open); err != nil {
			return "", err
		}
		p.open = filestore.UploadRef{}
	}
	if unavailable != nil {
		return "", unavailable
	}
	return "", &filestore.Error{Op: opPut, Kind: filestore.ErrIntegrityUnsupported, Cause: errors.Join(refusals...)}
}

// modesToTry are all modes: the known one, if there is one, and the others as they are preferred.
func modesToTry(known v1alpha1.PayloadMode) []v1alpha1.PayloadMode {
	if known == "" {
		return preferred
	}
	others := slices.DeleteFunc(slices.Clone(preferred), func(mode v1alpha1.PayloadMode) bool { return mode == known })
	return append([]v1alpha1.PayloadMode{known}, others...)
}

// tryMode succeeds when a whole part is stored, and a part that was cut or damaged on the way is
// not; and the same of a whole object.
func (p *probe) tryMode(ctx context.Context, mode v1alpha1.PayloadMode) error {
	if p.open.UploadID == "" {
		if err := p.openUpload(ctx); err != nil {
			return err
		}
	}
	content := probeBytes()
	cut := io.MultiReader(bytes.NewReader(content[:probeCutAfter]), failing{errProbeCut})
	if _, err := p.PutPart(ctx, p.open, 3, cut, probePartBytes); !errors.Is(err, errProbeCut) {
		return err
	}
	part, err := p.PutPart(ctx, p.open, 1, bytes.NewReader(content), probePartBytes)
	if err != nil {
		return err
	}
	settle := settlePlain
	if mode != v1alpha1.PayloadUnsigned {
		settle = settleFramed
		if err := p.putDamaged(ctx, content); err != nil {
			return err
		}
	}
	if err := p.putHarmed(ctx, mode, content); err != nil {
		return err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return translate(ctx, opPut, ctx.Err())
	}
	parts, err := p.ListParts(ctx, p.open)
	if err != nil {
		return err
	}
	if len(parts) != 1 || parts[0].Number != part.Number || parts[0].Size != probePartBytes {
		return refused(mode, "a part that was cut short or damaged was stored")
	}
	p.part = parts[0]
	return p.keptObject(ctx, mode)
}

// openUpload opens an upload of the object.
func (p *probe) openUpload(ctx context.Context) error {
	ref, err := p.create(ctx, p.key)
	if err == nil {
		p.open = ref
	}
	return err
}

// probeBytes is what a whole part of a probe holds.
func probeBytes() []byte { return bytes.Repeat([]byte("iotfile\n"), probePartBytes/8) }

func (p *probe) putDamaged(ctx context.Context, content []byte) error {
	_, err := p.PutPart(damaging(ctx), p.open, 2, bytes.NewReader(content), probePartBytes)
	if err == nil {
		return refused(p.cfg.PayloadMode, "a part that was damaged on the way was taken")
	}
	if errors.Is(err, filestore.ErrUnavailable) {
		return err
	}
	return nil
}

// damaging makes requests of the context arrive with one bit flipped.
func damaging(ctx context.Context) context.Context {
	return context.WithValue(ctx, damageKey{}, func(body io.ReadCloser) io.ReadCloser {
		return &damaged{ReadCloser: body, at: probeDamageAt}
	})
}

func refused(mode v1alpha1.PayloadMode, why string) error {
	return &filestore.Error{Op: opPut, Kind: filestore.ErrIntegrityUnsupported, Cause: errors.New(string(mode) + ": " + why)}
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// damaged flips one bit of a body.
type damaged struct {
	io.ReadCloser
	at int
}

func (d *damaged) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if d.at >= 0 && d.at < n {
		p[d.at] ^= 1
	}
	d.at -= n
	return n, err
}
