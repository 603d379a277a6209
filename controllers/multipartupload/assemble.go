package multipartupload

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// noticeAfter is how long an assembly takes before the status says that it is under way: most are
// done before, and save the write.
const noticeAfter = time.Second

// Assemblies are the requests to assemble a file that are under way. They are not cut with the pass
// that has sent them: MinIO, whose client goes away in the middle, lists the parts no more, and has
// no file either. The zero value is ready.
type Assemblies struct{ running sync.WaitGroup }

// Wait returns when none is under way, or ctx is done. It may be called once no pass begins.
func (a *Assemblies) Wait(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.running.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// assembled is what a request to assemble a file came to.
type assembled struct {
	object filestore.Object
	err    error
}

// send has the request go on until it is answered, or for completeTimeout, whatever becomes of ctx.
func (a *Assemblies) send(ctx context.Context, complete func(context.Context) (filestore.Object, error)) <-chan assembled {
	answer := make(chan assembled, 1)
	a.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), completeTimeout)
		defer cancel()
		object, err := complete(ctx)
		answer <- assembled{object, err}
	})
	return answer
}

// assemble calls CompleteUpload, and has the status say so if it takes long. Where the pass is cut,
// the request goes on, and whoever leads next sees what has become of it.
func (r *Reconciler) assemble(ctx context.Context, o *observation, d upload.Decision) (filestore.Object, error) {
	defer o.stay.lengthy()()
	store, ref, parts, cond := o.store, o.ref(), o.parts, condition(o.Store, d)
	answer := r.Assemblies.send(ctx, func(ctx context.Context) (filestore.Object, error) {
		failpoint.Hit(failpoint.AssemblyDecided)
		object, err := store.CompleteUpload(ctx, ref, parts, cond)
		if err == nil {
			failpoint.Hit(failpoint.FileAssembled)
		}
		return object, err
	})
	notice := r.Clock.After(noticeAfter)
	for {
		select {
		case done := <-answer:
			return done.object, done.err
		case <-ctx.Done():
			return filestore.Object{}, context.Cause(ctx)
		case <-notice:
			if err := r.report(ctx, o, outcome{state: d.State}); err != nil {
				log.FromContext(ctx).V(1).Info("cannot say that the file is being assembled", "reason", err.Error())
			}
		}
	}
}
