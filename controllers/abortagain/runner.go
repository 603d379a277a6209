package abortagain

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// abortAgainAfter is when ended uploads are aborted again: a replica that was suspended, cut off
// from the API server, or of a version that cuts no streams may have landed a part meanwhile, and
// no listing need show it.
var abortAgainAfter = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

const (
	abortAgainInterval = 5 * time.Second
	// abortAgainPages are done at once, in each of them all stores, and of each store
	// abortAgainAtOnce uploads.
	abortAgainPages  = 16
	abortAgainAtOnce = 4
	abortAgainRate   = 50 // a second, of each store
	// abortAgainGiveUp is how long after its time an abort is tried while its store does not
	// answer.
	abortAgainGiveUp = time.Hour
)

// Runner aborts uploads that have ended once more, after 1, 10 and 60 minutes. It is a
// manager.Runnable of the leader. All fields are required.
type Runner struct {
	// Log knows what has ended.
	Log *Log
	// Client reads FileStores from the cache, and writes.
	Client client.Client
	// Stores finds object storage.
	Stores reconciler.Stores
	// Clock tells the time.
	Clock clock.WithTicker

	tries againTries
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*Runner) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (a *Runner) Start(ctx context.Context) error {
	ticker := a.Clock.NewTicker(abortAgainInterval)
	defer ticker.Stop()
	for {
		if err := a.Pass(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "cannot abort ended uploads again; it is tried again")
		}
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return nil
		}
	}
}

// Pass does what is due.
func (a *Runner) Pass(ctx context.Context) error {
	pages, err := a.Log.pages(ctx)
	if err != nil {
		return err
	}
	failures := make([]error, len(pages))
	var work errgroup.Group
	work.SetLimit(abortAgainPages)
	for i := range pages {
		ended, times := stageOf(&pages[i])
		due := times >= len(abortAgainAfter) || a.Clock.Since(ended) >= abortAgainAfter[times]
		if !due || !a.tries.due(pages[i].Name, a.Clock.Now()) {
			continue
		}
		work.Go(func() error {
			failures[i] = a.page(ctx, pages[i].Name, ended, times)
			a.tries.note(pages[i].Name, failures[i], a.Clock.Now())
			return nil
		})
	}
	_ = work.Wait() // it is told in failures
	a.tries.keep(pages)
	return errors.Join(failures...)
}

// stageOf is when the newest upload of a page has ended, and how often they were aborted again.
func stageOf(page *metav1.PartialObjectMetadata) (ended time.Time, times int) {
	ended, err := time.Parse(time.RFC3339, page.Annotations[annotationEnded])
	if err != nil {
		ended = page.CreationTimestamp.Time
	}
	times, err = strconv.Atoi(page.Annotations[annotationAgain])
	if err != nil || times < 0 {
		times = 0
	}
	return ended, times
}

// page aborts the uploads of a page, and writes down that it was done.
func (a *Runner) page(ctx context.Context, name string, ended time.Time, times int) error {
	page, uploads, err := a.Log.read(ctx, name)
	if page == nil {
		return client.IgnoreNotFound(err)
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "what has ended cannot be read")
	}
	if times < len(abortAgainAfter) {
		err := a.abortAll(ctx, name, uploads)
		if err != nil && a.Clock.Since(ended) < abortAgainAfter[times]+abortAgainGiveUp {
			return err
		}
		times++
	}
	if times >= len(abortAgainAfter) {
		return client.IgnoreNotFound(a.Client.Delete(ctx, page, client.Preconditions{UID: &page.UID}))
	}
	// The next time may be due already, after a failover: it is not worth another round.
	for times < len(abortAgainAfter)-1 && a.Clock.Since(ended) >= abortAgainAfter[times] {
		times++
	}
	metav1.SetMetaDataAnnotation(&page.ObjectMeta, annotationAgain, strconv.Itoa(times))
	//nolint:forbidigo // the page was read live, as a whole
	if err := a.Client.Update(ctx, page); err != nil && !reconciler.Outdated(err) {
		return fmt.Errorf("note that ended uploads were aborted again: %w", err)
	}
	return nil
}

// abortAll aborts the uploads of a page again, all stores side by side. What belongs to a FileStore
// that is gone, or must not be aborted there, is left out, and what an earlier try has done.
func (a *Runner) abortAll(ctx context.Context, page string, uploads []Ended) error {
	byStore := map[string][]Ended{}
	for _, e := range uploads {
		if !a.tries.done(page, e) {
			byStore[e.Store] = append(byStore[e.Store], e)
		}
	}
	var mu sync.Mutex
	var failures []error
	var work sync.WaitGroup
	for store, ended := range byStore {
		work.Go(func() {
			err := a.abortIn(ctx, page, store, ended)
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, err)
		})
	}
	work.Wait()
	return errors.Join(failures...)
}

// abortIn aborts the uploads of a page again that are of one store. The first failure ends it: of a
// store that says nothing, one abort is waited for, or the few that go on at once.
func (a *Runner) abortIn(ctx context.Context, page, store string, uploads []Ended) error {
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(abortAgainAtOnce)
	limiter := rate.NewLimiter(abortAgainRate, abortAgainRate)
	keeps := a.keepsObject(ctx, store)
	for _, e := range uploads {
		if e.Completed && !keeps {
			continue
		}
		if err := limiter.Wait(working); err != nil {
			break
		}
		work.Go(func() error {
			err := a.abort(working, page, e)
			if err == nil {
				a.tries.did(page, e)
			}
			return err
		})
	}
	return work.Wait()
}

func (a *Runner) abort(ctx context.Context, page string, e Ended) error {
	store, err := a.Stores.Get(ctx, e.Store)
	if errors.Is(err, filestore.ErrStoreNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", e.Store, err)
	}
	ctx, cancel := context.WithTimeout(ctx, reconciler.AbortTime(a.tries.times(page)))
	defer cancel()
	return store.AbortUpload(ctx, filestore.UploadRef{Key: e.Key, UploadID: e.UploadID})
}

// keepsObject reports whether an abort of a completed upload leaves the file in this store.
func (a *Runner) keepsObject(ctx context.Context, store string) bool {
	fs := &v1alpha1.FileStore{}
	return a.Client.Get(ctx, client.ObjectKey{Name: store}, fs) == nil && KeepsObject(fs)
}

// KeepsObject reports whether an abort of a completed upload leaves the file, as the last probe of
// the store has found.
func KeepsObject(fs *v1alpha1.FileStore) bool {
	c := fs.Status.Capabilities
	return c != nil && c.AbortKeepsObject != nil && *c.AbortKeepsObject
}
