package controllers_test

import (
	"context"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/abortagain"
	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// An abort that was not answered in its time has twice as long the next time.
func TestAbortHasMoreTimeAfterATimeOut(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	r.part(u, 1, "ab")
	var given []time.Duration
	r.backend.Inject(memory.Fault{Operation: memory.AbortUpload, Before: func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		given = append(given, time.Until(deadline).Round(time.Second))
		if len(given) == 1 {
			return memory.Hang(ctx)
		}
		return nil
	}})
	r.edit("up", aborted)
	for range 20 {
		if u := r.get("up"); u.Status.CompletionTime != nil {
			break
		}
		_, err := r.step("up")
		r.must(err)
		r.clock.Step(5 * time.Second)
	}
	r.expect("up", v1alpha1.ReasonAborted)
	if len(given) != 2 || given[1]-given[0] != 10*time.Second {
		t.Errorf("the aborts had %v", given)
	}
}

// Ended uploads of one store are aborted again while another says nothing, and not once more when
// that is tried again.
func TestAbortAgainInOneStoreWaitsForNoOther(t *testing.T) {
	r := newRig(t)
	other := newRig(t)
	noted := &abortagain.Log{Client: r.direct, Live: r.direct, Namespace: r.ns, Clock: r.clock}
	for i := range 6 {
		r.must(noted.Note(r.ctx, abortagain.Ended{Store: other.store, Key: "silent", UploadID: string(rune('a' + i))}))
		r.must(noted.Note(r.ctx, abortagain.Ended{Store: r.store, Key: "k", UploadID: string(rune('a' + i))}))
	}
	again := &abortagain.Runner{Log: noted, Client: r.direct, Stores: twoOf{r, other}, Clock: r.clock}
	talks := make(chan struct{})
	other.backend.Inject(memory.Fault{Operation: memory.AbortUpload, Before: func(ctx context.Context) error {
		if err := memory.WaitFor(talks)(ctx); err != nil {
			return err
		}
		return context.DeadlineExceeded // the first try fails in any case
	}, Times: 4})
	r.clock.Step(2 * time.Minute)
	passed := make(chan error)
	go func() { passed <- again.Pass(r.ctx) }()
	eventuallyCalls(t, r.backend, memory.AbortUpload, 6)
	close(talks)
	if err := <-passed; err == nil {
		t.Error("what was not aborted is forgotten")
	}
	r.clock.Step(time.Minute)
	r.must(again.Pass(r.ctx))
	if n := r.backend.Calls(memory.AbortUpload); n != 6 {
		t.Errorf("%d aborts, want 6: those that were done are not done again", n)
	}
	if n := other.backend.Calls(memory.AbortUpload); n < 10 {
		t.Errorf("%d aborts in the store that talks again, want 4 that failed and 6", n)
	}
}

// twoOf are the Stores of two rigs.
type twoOf struct{ a, b *rig }

func (s twoOf) Get(ctx context.Context, name string) (reconciler.Store, error) {
	if name == s.a.store {
		return s.a.uploads.Stores.Get(ctx, name)
	}
	return s.b.uploads.Stores.Get(ctx, name)
}
