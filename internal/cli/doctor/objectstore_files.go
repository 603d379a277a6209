package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

const (
	// storePart is the least that a part has which is not the last.
	storePart = 5 << 20
	// storeCleanup bounds the cleaning up, which goes on after an interrupt.
	storeCleanup = 30 * time.Second
	// abortWait is how long an aborted upload may still be listed.
	abortWait = 10 * time.Second
)

// tryFiles sends, completes, reads, races and deletes files, in the short form of the suite that
// every store has to pass. What stands on something that has failed is Unknown.
func (e *storeExamination) tryFiles(ctx context.Context) {
	steps := []struct {
		check, detail string
		run           func(context.Context) error
	}{
		{"parts", "parts arrive, are replaced and listed", e.tryParts},
		{"cut bodies", "a part that is cut short leaves the one before it", e.tryCut},
		{"completion", "parts become one file, which is read back whole and in ranges", e.tryComplete},
		{"single file", "a file is sent in one request, read and listed", e.tryPut},
		{"races", "of writers that race for a file exactly one wins, by single requests and by uploads", e.tryRaces},
		{"abort", "an upload that is aborted is gone, with its parts", e.tryAbort},
		{"deletion", "a file that is deleted is gone", e.tryDelete},
	}
	broken := ""
	if e.caps == nil {
		broken = "the bucket cannot be used"
	} else if err := e.openProbed(); err != nil {
		broken = err.Error()
	} else {
		defer e.store.Close()
		defer e.cleanUp(ctx)
	}
	for _, step := range steps {
		if broken != "" {
			e.tell(Finding{step.check, Unknown, broken, ""})
			continue
		}
		err := step.run(ctx)
		var skip leftOut
		switch {
		case err == nil:
			e.tell(Finding{step.check, OK, step.detail, ""})
		case errors.As(err, &skip):
			e.tell(Finding{step.check, Warning, string(skip), aboutStores})
		case ctx.Err() != nil || filestore.Retryable(err) && errors.Is(err, filestore.ErrUnavailable):
			broken = "the store does not answer: " + oneLine(err.Error())
			e.tell(Finding{step.check, Unknown, broken, ""})
		default:
			e.tell(Finding{step.check, Failure, oneLine(err.Error()), "the operator needs it: " + aboutStores})
		}
	}
}

// leftOut is why a step says nothing here: the store was seen not to have what it is about.
type leftOut string

// Error implements error.
func (l leftOut) Error() string { return string(l) }

// openProbed opens the bucket with what the probe has found best, as the operator does.
func (e *storeExamination) openProbed() (err error) {
	config := e.Config
	config.PayloadMode, config.BareETags = e.caps.PayloadMode, e.caps.MatchETag == v1alpha1.ETagBare
	config.ListingMetadata = e.caps.ListingMetadata != nil && *e.caps.ListingMetadata
	e.store, err = e.Open(config)
	return err
}

// cleanUp deletes what a step that failed has left.
func (e *storeExamination) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeCleanup)
	defer cancel()
	var objects []string
	_ = e.store.ListObjects(ctx, e.keys, "", func(o filestore.Object) bool {
		objects = append(objects, o.Key)
		return true
	})
	for _, key := range objects {
		_ = e.store.DeleteObject(ctx, key)
	}
	var open []filestore.UploadRef
	for _, name := range []string{"file", "aborted", "raced"} { // by exact key, which more stores can do
		_ = e.store.ListUploads(ctx, e.keys+name, func(u filestore.Upload) bool {
			open = append(open, u.UploadRef)
			return true
		})
	}
	for _, ref := range open {
		_ = e.store.AbortUpload(ctx, ref)
	}
}

// begin opens an upload and sends its parts.
func (e *storeExamination) begin(ctx context.Context, name string, contents ...[]byte) (ref filestore.UploadRef, parts []filestore.Part, err error) {
	ref.Key = e.keys + name
	if ref.UploadID, err = e.store.CreateUpload(ctx, ref.Key, filestore.CreateUploadOptions{ContentType: "application/octet-stream"}); err != nil {
		return ref, nil, err
	}
	for i, content := range contents {
		part, err := e.store.PutPart(ctx, ref, int32(i+1), bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return ref, nil, err
		}
		parts = append(parts, part)
	}
	return ref, parts, nil
}

// holds compares an object with what was sent.
func (e *storeExamination) holds(ctx context.Context, key string, content []byte) error {
	seen, err := e.store.Stat(ctx, key)
	if err != nil {
		return err
	}
	for _, rng := range []filestore.ByteRange{{Length: -1}, {Offset: int64(len(content)) / 2, Length: 7}} {
		want := content[rng.Offset:]
		if rng.Length >= 0 {
			want = want[:rng.Length]
		}
		body, err := e.store.Open(ctx, seen, rng)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("of %d bytes that were sent, others came back (%d from byte %d on)", len(content), len(got), rng.Offset)
		}
	}
	return nil
}

// noise makes bytes that nothing can guess.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func names(parts []filestore.Part) string {
	var out []string
	for _, p := range parts {
		out = append(out, fmt.Sprintf("%d (%d bytes)", p.Number, p.Size))
	}
	return strings.Join(out, ", ")
}
