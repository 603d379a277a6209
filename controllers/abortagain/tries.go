package abortagain

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lastAgainPause is the longest pause between two tries of a page that failed. The first is the
// interval of the passes.
const lastAgainPause = 5 * time.Minute

// againTries are the pages of ended uploads that could not be aborted again as a whole: one store
// that does not answer must not have the uploads of all others aborted at each try. They live as
// long as a term of the leader. The zero value is ready.
type againTries struct {
	mu    sync.Mutex
	pages map[string]*againTry
}

type againTry struct {
	times int
	next  time.Time
	done  map[Ended]bool
}

// of finds the tries of a page. The caller holds the lock.
func (t *againTries) of(page string) *againTry {
	if t.pages == nil {
		t.pages = map[string]*againTry{}
	}
	found := t.pages[page]
	if found == nil {
		found = &againTry{done: map[Ended]bool{}}
		t.pages[page] = found
	}
	return found
}

// due reports whether the page is to be tried now.
func (t *againTries) due(page string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.pages[page]
	return found == nil || !now.Before(found.next)
}

// times is how often the page has failed.
func (t *againTries) times(page string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of(page).times
}

// done reports whether an upload of the page needs nothing more.
func (t *againTries) done(page string, e Ended) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of(page).done[e]
}

// did notes that an upload of the page needs nothing more.
func (t *againTries) did(page string, e Ended) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(page).done[e] = true
}

// note remembers what a try has come to. After a success nothing is: the page is aborted once more
// later.
func (t *againTries) note(page string, err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		delete(t.pages, page)
		return
	}
	found := t.of(page)
	found.next = now.Add(min(lastAgainPause, abortAgainInterval<<min(found.times, 6))) // past 6 it would be longer than the last
	found.times++
}

// keep forgets the pages that are not there any more.
func (t *againTries) keep(pages []metav1.PartialObjectMetadata) {
	there := map[string]bool{}
	for i := range pages {
		there[pages[i].Name] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range t.pages {
		if !there[name] {
			delete(t.pages, name)
		}
	}
}
