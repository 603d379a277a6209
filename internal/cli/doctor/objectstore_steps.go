package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// listed demands that the parts of an upload are exactly these.
func (e *storeExamination) listed(ctx context.Context, ref filestore.UploadRef, want []filestore.Part) error {
	got, err := e.store.ListParts(ctx, ref)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(got, want, func(a, b filestore.Part) bool {
		return a.Number == b.Number && a.Size == b.Size && a.ETag == b.ETag
	}) {
		return fmt.Errorf("the parts are %s, and not %s, or others of these sizes", names(got), names(want))
	}
	return nil
}

// tryParts sends two parts, one of them twice.
func (e *storeExamination) tryParts(ctx context.Context) error {
	ref, parts, err := e.begin(ctx, "file", noise(storePart), noise(1000))
	if err != nil {
		return err
	}
	content := noise(2000)
	again, err := e.store.PutPart(ctx, ref, 2, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return fmt.Errorf("a part that is sent again: %w", err)
	}
	if err := e.listed(ctx, ref, []filestore.Part{parts[0], again}); err != nil {
		return err
	}
	return e.store.AbortUpload(ctx, ref)
}

var errCut = errors.New("cut on purpose")

// tryCut sends a part again, and stops in its middle.
func (e *storeExamination) tryCut(ctx context.Context) error {
	ref, parts, err := e.begin(ctx, "file", noise(1000))
	if err != nil {
		return err
	}
	cut := io.MultiReader(bytes.NewReader(noise(3000)), failing{errCut})
	if _, err := e.store.PutPart(ctx, ref, 1, cut, 100_000); err == nil {
		return errors.New("a part that was cut short is taken")
	}
	if err := e.listed(ctx, ref, parts); err != nil {
		return fmt.Errorf("after a part that was cut short: %w", err)
	}
	return e.store.AbortUpload(ctx, ref)
}

// failing is the end of a body that breaks.
type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// tryComplete makes a file of two parts.
func (e *storeExamination) tryComplete(ctx context.Context) error {
	first, last := noise(storePart), noise(1234)
	ref, parts, err := e.begin(ctx, "file", first, last)
	if err != nil {
		return err
	}
	var cond filestore.Condition
	if e.completes() {
		cond.Absent = true
	}
	if _, err := e.store.CompleteUpload(ctx, ref, parts, cond); err != nil {
		return err
	}
	return e.holds(ctx, ref.Key, append(first, last...))
}

// completes reports whether the store compares conditions when it assembles a file.
func (e *storeExamination) completes() bool {
	return e.caps.ConditionalComplete != nil && *e.caps.ConditionalComplete
}

// put sends a file in one request.
func (e *storeExamination) put(ctx context.Context, name string, content []byte, cond filestore.Condition) error {
	_, err := e.store.PutObject(ctx, e.keys+name, bytes.NewReader(content), int64(len(content)), filestore.CreateUploadOptions{ContentType: "application/octet-stream"}, cond)
	return err
}

// tryPut sends a file in one request, and finds it in the listing.
func (e *storeExamination) tryPut(ctx context.Context) error {
	content := noise(100_000)
	if err := e.put(ctx, "single", content, filestore.Condition{}); err != nil {
		return err
	}
	if err := e.holds(ctx, e.keys+"single", content); err != nil {
		return err
	}
	found := false
	err := e.store.ListObjects(ctx, e.keys, "", func(o filestore.Object) bool {
		found = o.Key == e.keys+"single" && o.Size == int64(len(content))
		return !found
	})
	if err == nil && !found {
		err = errors.New("a file that is there is not listed")
	}
	return err
}

const (
	racers = 4
	races  = 3
)

// tryRaces has writers race for a file that is not there, where the store is one that decides.
func (e *storeExamination) tryRaces(ctx context.Context) error {
	puts := filestore.Compares(e.caps, true)
	if !puts && !e.completes() {
		return leftOut("nothing decides between writers there, and the records do it: see conditions")
	}
	for round := range races {
		if puts {
			if err := e.race(ctx, fmt.Sprintf("raced-%d", round), e.racingPut); err != nil {
				return fmt.Errorf("of single requests %w", err)
			}
		}
		if err := e.raceUploads(ctx); err != nil {
			return err
		}
	}
	return nil
}

// raceUploads has uploads race, where the store is one that decides between them.
func (e *storeExamination) raceUploads(ctx context.Context) error {
	if !e.completes() {
		return nil
	}
	if err := e.race(ctx, "raced", e.racingCompletion); err != nil {
		return fmt.Errorf("of uploads %w", err)
	}
	return e.store.DeleteObject(ctx, e.keys+"raced")
}

// race has several writers make the same file, each with other bytes, and holds that one has won
// and that the file is its own.
func (e *storeExamination) race(ctx context.Context, name string, prepare func(context.Context, string, []byte) (func() error, error)) error {
	contents, writers, results := make([][]byte, racers), make([]func() error, racers), make([]error, racers)
	for i := range racers {
		var err error
		contents[i] = noise(50_000)
		if writers[i], err = prepare(ctx, name, contents[i]); err != nil {
			return err
		}
	}
	var wait sync.WaitGroup
	for i := range racers {
		wait.Go(func() { results[i] = writers[i]() })
	}
	wait.Wait()
	var winners []int
	open := false // the outcome for one that was asked to come again
	for i, err := range results {
		switch {
		case err == nil:
			winners = append(winners, i)
		case filestore.Retryable(err):
			open = true
		case !errors.Is(err, filestore.ErrPrecondition):
			return fmt.Errorf("one ended neither as winner nor as loser: %w", err)
		}
	}
	if len(winners) > 1 || len(winners) == 0 && !open {
		return fmt.Errorf("%d of %d were told that they had won", len(winners), racers)
	}
	if len(winners) == 0 {
		return nil
	}
	return e.holds(ctx, e.keys+name, contents[winners[0]])
}

func (e *storeExamination) racingPut(ctx context.Context, name string, content []byte) (func() error, error) {
	return func() error { return e.put(ctx, name, content, filestore.Condition{Absent: true}) }, nil
}

func (e *storeExamination) racingCompletion(ctx context.Context, name string, content []byte) (func() error, error) {
	ref, parts, err := e.begin(ctx, name, content)
	return func() error {
		_, err := e.store.CompleteUpload(ctx, ref, parts, filestore.Condition{Absent: true})
		if errors.Is(err, filestore.ErrPrecondition) {
			_ = e.store.AbortUpload(ctx, ref) // cleanUp finds it otherwise
		}
		return err
	}, err
}

// tryAbort aborts an upload with a part.
func (e *storeExamination) tryAbort(ctx context.Context) error {
	ref, _, err := e.begin(ctx, "aborted", noise(1000))
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(abortWait); ; {
		if err := e.store.AbortUpload(ctx, ref); err != nil {
			return err
		}
		parts, err := e.store.ListParts(ctx, ref)
		switch {
		case errors.Is(err, filestore.ErrNoSuchUpload):
			return nil
		case err != nil:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("%s after it was aborted it still has %d parts", abortWait, len(parts))
		}
		if err := pauseFor(ctx, slowStep); err != nil {
			return err
		}
	}
}

// tryDelete deletes a file.
func (e *storeExamination) tryDelete(ctx context.Context) error {
	if err := e.put(ctx, "deleted", noise(10), filestore.Condition{}); err != nil {
		return err
	}
	if err := e.store.DeleteObject(ctx, e.keys+"deleted"); err != nil {
		return err
	}
	_, err := e.store.Stat(ctx, e.keys+"deleted")
	switch {
	case err == nil:
		return errors.New("a file that was deleted is still there")
	case errors.Is(err, filestore.ErrNotFound):
		return nil
	}
	return err
}
