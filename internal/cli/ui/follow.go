package ui

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

const (
	// gather is how long changes are gathered before they are said: a screen shows no more.
	gather = 100 * time.Millisecond
	// firstPause and lastPause are how long a follower waits after a failure, and after many.
	firstPause = time.Second
	lastPause  = 30 * time.Second
	// refusedPause is how long it waits when a right is missing.
	refusedPause = 30 * time.Second
)

// follower lists the objects of one kind, and watches them.
type follower struct {
	kind    string
	objects dynamic.ResourceInterface
	out     chan<- func() []message
	// failures is how often it has failed since the last list.
	failures int
}

// run goes on until ctx is done. After any failure it lists again, so that nothing can be missed.
func (f *follower) run(ctx context.Context) {
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		f.failures++
		pause := min(firstPause<<min(f.failures-1, 8), lastPause)
		pause += rand.N(pause / 4) //nolint:gosec // no secret: not all tabs at once
		status, text := kubeProblem(err)
		switch {
		// The place to go on from is too long ago: that is no failure, unless it never ends.
		case expired(err) && f.failures == 1:
			continue
		case status == http.StatusUnauthorized || status == http.StatusForbidden:
			pause = refusedPause
		}
		f.say(ctx, message{Type: typeError, Kind: f.kind, Status: status, Message: text})
		if !sleep(ctx, pause) {
			return
		}
	}
}

// errShortWatch is that of a watch which somebody in between ends at once, each time.
var errShortWatch = errors.New("a watch has ended as soon as it had begun")

func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// follow lists all objects, and then watches them until that fails.
func (f *follower) follow(ctx context.Context) error {
	f.say(ctx, message{Type: typeReset, Kind: f.kind})
	version, err := f.list(ctx)
	if err != nil {
		return err
	}
	f.say(ctx, message{Type: typeSynced, Kind: f.kind})
	f.failures = 0
	for {
		// A watch ends after some minutes, as the API server wants it, and goes on where it was.
		began, from := time.Now(), version
		if version, err = f.watch(ctx, version); err != nil {
			return err
		}
		short := firstPause - time.Since(began)
		if short > 0 && version == from {
			return errShortWatch
		}
		if !sleep(ctx, short) {
			return ctx.Err()
		}
	}
}

// list says all objects, page by page, and returns the version that they are at.
func (f *follower) list(ctx context.Context) (string, error) {
	for next := ""; ; {
		list, err := f.page(ctx, next)
		if err != nil {
			return "", err
		}
		put := message{Type: typePut, Kind: f.kind}
		for i := range list.Items {
			put.Objects = append(put.Objects, trim(&list.Items[i]))
		}
		if len(put.Objects) > 0 {
			f.say(ctx, put)
		}
		if next = list.GetContinue(); next == "" {
			return list.GetResourceVersion(), nil
		}
	}
}

func (f *follower) page(ctx context.Context, next string) (*unstructured.UnstructuredList, error) {
	ctx, cancel := context.WithTimeout(ctx, kubeTimeout)
	defer cancel()
	return f.objects.List(ctx, metav1.ListOptions{Limit: pageSize, Continue: next})
}

// watch says what changes after a version, until the API server ends it, and returns the version
// that it has come to.
func (f *follower) watch(ctx context.Context, version string) (string, error) {
	seconds := 300 + rand.Int64N(300) //nolint:gosec // no secret: not all tabs at once
	watcher, err := f.objects.Watch(ctx, metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: &seconds})
	if err != nil {
		return "", err
	}
	defer watcher.Stop()
	g := &gathered{changed: batch{}, timer: time.NewTimer(gather)}
	defer g.timer.Stop()
	for {
		events, out := g.open(watcher.ResultChan(), f.out)
		select {
		case event, ok := <-events:
			if ok {
				version, err = g.add(event)
			}
			if !ok || err != nil {
				f.say(ctx, g.changed.messages(f.kind)...)
				return version, cmp.Or(err, ctx.Err())
			}
		case out <- g.changed.later(f.kind):
			g.changed = batch{}
		case <-g.timer.C:
			g.due = true
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// gathered is what has changed and was not yet said, and whether it is to be.
type gathered struct {
	changed batch
	due     bool
	timer   *time.Timer
}

// open gives the channels that are of use now, and nil for the others.
func (g *gathered) open(events <-chan watch.Event, out chan<- func() []message) (<-chan watch.Event, chan<- func() []message) {
	if len(g.changed) >= pageSize { // as many as are kept: the browser has to read first
		events, g.due = nil, true
	}
	if len(g.changed) == 0 || !g.due {
		out = nil
	}
	return events, out
}

// add takes in an event, and returns the version that the watch has come to.
func (g *gathered) add(event watch.Event) (string, error) {
	object, ok := event.Object.(*unstructured.Unstructured)
	if event.Type == watch.Error || !ok {
		return "", apierrors.FromObject(event.Object)
	}
	if len(g.changed) == 0 {
		g.due = false
		g.timer.Reset(gather)
	}
	switch event.Type {
	case watch.Added, watch.Modified:
		g.changed[key(object)] = trim(object)
	case watch.Deleted:
		g.changed[key(object)] = nil
	}
	return object.GetResourceVersion(), nil
}

// say says something when the browser reads.
func (f *follower) say(ctx context.Context, messages ...message) {
	select {
	case f.out <- func() []message { return messages }:
	case <-ctx.Done():
	}
}

// key names an object as the page does.
func key(object *unstructured.Unstructured) string {
	if namespace := object.GetNamespace(); namespace != "" {
		return namespace + "/" + object.GetName()
	}
	return object.GetName()
}

// trim takes off what no page shows, and which is as long as all the rest.
func trim(object *unstructured.Unstructured) *unstructured.Unstructured {
	object.SetManagedFields(nil)
	return object
}

// sleep reports whether it has slept, and ctx is not done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
