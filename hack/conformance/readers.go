package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
)

// versionRepeats is how often a version stands in its content, with eight bytes each.
const versionRepeats = 20_000

// readers counts what those come to that read a file while it is replaced.
type readers struct {
	mu            sync.Mutex
	reads, faults int
	last          string
}

// note counts one read: the file of one version, whole, is what it has to be.
func (r *readers) note(got answer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	whole := err == nil && got.status == http.StatusOK && len(got.body) >= 8 && bytes.Equal(got.body, bytes.Repeat(got.body[:8], versionRepeats))
	if !whole {
		r.faults++
		r.last = fmt.Sprintf("%d %s %v", got.status, clip(got.body), err)
	}
}

// readers: whoever reads while the file is replaced gets one version of it, whole.
func (f *flow) readers(ctx context.Context) error {
	const versions = 60
	path, seen := f.name("readers"), &readers{}
	content := func(version int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%07d ", version), versionRepeats) }
	if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path, content(0)); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	for replica := range f.urls {
		group.Go(func() {
			for reading.Err() == nil {
				seen.note(f.do(ctx, replica, http.MethodGet, path, nil, 0))
			}
		})
	}
	var err error
	for version := 1; version <= versions && err == nil; version++ {
		_, err = f.want(ctx, http.StatusNoContent, http.MethodPut, path, content(version), "If-Match", fmt.Sprint(version-1))
	}
	stop()
	group.Wait()
	if err == nil && seen.faults > 0 {
		err = fmt.Errorf("%d of %d reads have failed, the last one with %s", seen.faults, seen.reads, seen.last)
	}
	return err
}
