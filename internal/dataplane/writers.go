package dataplane

import (
	"context"
	"fmt"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// errOutrun ends the body of a write whose file another request of this process is about to
// replace. It would lose in the end, and some stores keep all other writers waiting while a
// conditional write is under way (MinIO).
var errOutrun = apierror.Unavailable("another request is replacing this file: send yours again", apierror.RetrySoon)

// writers keeps apart what this process writes to one object. The comparison of versions is exact
// then, also where the store sees no difference because the bytes are the same. Nobody has the turn
// while it waits for its client: it is taken when the body is whole, for the time that the store
// needs.
type writers struct {
	mu    sync.Mutex
	byKey map[string]*contested
}

// contested is one object that has writers.
type contested struct {
	turn    chan struct{} // holds a value while nobody has the turn
	writers map[*writer]struct{}
	// version counts how often the object was replaced while it had writers.
	version int
}

// writer is one request that replaces an object.
type writer struct {
	all    *writers
	key    string
	object *contested
	seen   int // version when the object was compared
	turn   bool
	cut    context.CancelCauseFunc // ends its body; nil while there is none
}

// begin registers a writer, before the object is compared. The caller calls end.
func (ws *writers) begin(key string) *writer {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.byKey == nil {
		ws.byKey = map[string]*contested{}
	}
	o := ws.byKey[key]
	if o == nil {
		o = &contested{turn: make(chan struct{}, 1), writers: map[*writer]struct{}{}}
		o.turn <- struct{}{}
		ws.byKey[key] = o
	}
	w := &writer{all: ws, key: key, object: o, seen: o.version}
	o.writers[w] = struct{}{}
	return w
}

// open registers that the body is being streamed to object storage, and how it is ended. It waits
// while another writer has the turn: that one's request must not meet the lock that this one's
// would hold. Errors as commit.
func (w *writer) open(ctx context.Context, cut context.CancelCauseFunc) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.cut = cut
	w.object.turn <- struct{}{}
	return w.compare()
}

// commit waits for the writer's turn, and cuts the bodies of those that stream theirs. It fails
// with ErrPrecondition if another writer has replaced the object since it was compared, and with
// the cause of ctx when that is over.
func (w *writer) commit(ctx context.Context) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.turn = true
	if err := w.compare(); err != nil {
		return err
	}
	for other := range w.object.writers {
		if other != w && other.cut != nil {
			other.cut(errOutrun)
		}
	}
	return nil
}

func (w *writer) take(ctx context.Context) error {
	select {
	case <-w.object.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for other writers of the file: %w", context.Cause(ctx))
	}
}

// compare fails if the object was replaced since the writer began. The caller holds the lock.
func (w *writer) compare() error {
	if w.object.version != w.seen {
		return filestore.ErrPrecondition
	}
	return nil
}

// end gives the turn back, if the writer has it; stored says that the object was replaced. It is
// idempotent.
func (w *writer) end(stored bool) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if _, there := w.object.writers[w]; !there {
		return
	}
	delete(w.object.writers, w)
	if stored {
		w.object.version++
	}
	if w.turn {
		w.object.turn <- struct{}{}
	}
	if len(w.object.writers) == 0 {
		delete(w.all.byKey, w.key)
	}
}
