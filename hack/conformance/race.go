package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// raceKind is who races for a file through two replicas.
type raceKind struct {
	name string
	// update: the file is there, and both replace its version; else both make it.
	update bool
	// upload: the second one completes an upload.
	upload bool
	// rival is what the first one does to that upload, such as upload=abort; empty where it sends
	// the file in one request.
	rival string
}

var raceKinds = []raceKind{
	{name: "two that make a file in one request"},
	{name: "two that replace a file in one request", update: true},
	{name: "one that makes a file in one request, and one that completes an upload", upload: true},
	{name: "one that replaces a file in one request, and one that completes an upload", update: true, upload: true},
	{name: "two that complete one upload", upload: true, rival: "?upload=complete"},
	{name: "one that aborts an upload, and one that completes it", upload: true, rival: "?upload=abort"},
	{name: "one that starts the next upload, and one that completes this one", upload: true, rival: "?upload=start"},
}

// standing is how often which of two has won, and how often something else happened.
type standing struct{ first, second, both, none, lost int }

// race: of two writers exactly one wins, and the file is its own.
func (f *flow) race(ctx context.Context, kind raceKind) error {
	var s standing
	var odd error
	once := f.raceOnce
	if kind.rival != "" {
		once = f.raceUploadOnce
	}
	for n := range f.settings.races {
		won, err := once(ctx, kind, n)
		switch {
		case errors.Is(err, errNotTheWinners):
			s.lost++
		case err != nil:
			odd = err
		case won == [2]bool{true, true}:
			s.both++
		case won[0]:
			s.first++
		case won[1]:
			s.second++
		default:
			s.none++
		}
	}
	fmt.Fprintf(f.out, "           of %d races the first has won %d, the second %d\n", f.settings.races, s.first, s.second)
	if s.both+s.none+s.lost == 0 {
		return odd
	}
	err := fmt.Errorf("both won %d times, none %d times, the winner was overwritten %d times", s.both, s.none, s.lost)
	if odd == nil && s.none == 0 && !f.compares(kind) {
		return fmt.Errorf("%w: %w", errNotProtected, err)
	}
	return errors.Join(err, odd)
}

// compares reports whether the store compares what such racers demand. Where it does not, only a
// replica keeps its own writers apart, and the FileStore says so.
func (f *flow) compares(kind raceKind) bool {
	if kind.rival != "" { // the record decides
		return true
	}
	found := f.capabilities.ConditionalCreate
	if kind.update {
		found = f.capabilities.ConditionalPut
	}
	return found != nil && *found
}

// errLeftOut is what a step comes to that cannot be tried on this store.
var errLeftOut = errors.New("it cannot be tried here")

// errNotProtected is what races come to that the FileStore says it does not protect.
var errNotProtected = errors.New("as Protected says")

var errNotTheWinners = errors.New("the file is not the winner's")

// raceOnce lets two writers race, and says which were told that they have won.
func (f *flow) raceOnce(ctx context.Context, kind raceKind, n int) (won [2]bool, err error) {
	path := f.name("race")
	var match []string
	if kind.update {
		match = []string{"If-Match", "0"}
		if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path, []byte("before")); err != nil {
			return won, err
		}
	}
	contents := [2][]byte{bytes.Repeat([]byte("writer 0 "), 4000), bytes.Repeat([]byte("writer 1 "), 3000)}
	paths := [2]string{path, path}
	if kind.upload {
		paths[1] += "?upload=complete"
		if _, err := f.want(ctx, map[bool]int{false: http.StatusCreated, true: http.StatusNoContent}[kind.update], http.MethodPut, path+"?upload=start", nil, match...); err != nil {
			return won, err
		}
	}
	var group sync.WaitGroup
	var got [2]answer
	var errs [2]error
	for i := range contents {
		group.Go(func() {
			time.Sleep(time.Duration(i*(n%8)) * 4 * time.Millisecond) // an upload is completed some milliseconds after it was asked for
			got[i], errs[i] = f.send(ctx, i, http.MethodPut, paths[i], contents[i], match...)
		})
	}
	group.Wait()
	if err := errors.Join(errs[0], errs[1]); err != nil {
		return won, err
	}
	if kind.upload && got[1].status >= http.StatusBadRequest {
		_, _ = f.send(ctx, 0, http.MethodPut, path+"?upload=abort", nil) // it is open, unless it was refused for good
	}
	return f.judge(ctx, path, got[:], contents[:])
}

// judge finds the winners. The file has to be that of one that has won alone.
func (f *flow) judge(ctx context.Context, path string, got []answer, contents [][]byte) (won [2]bool, err error) {
	for i, a := range got {
		if won[i], err = decided(a); err != nil {
			return won, fmt.Errorf("writer %d: %w", i, err)
		}
	}
	if won[0] == won[1] {
		return won, nil
	}
	winner := contents[0]
	if won[1] {
		winner = contents[1]
	}
	read, err := f.want(ctx, http.StatusOK, http.MethodGet, path, nil)
	if err == nil && !bytes.Equal(read.body, winner) {
		err = errNotTheWinners
	}
	return won, err
}

// decided reports whether an answer says that its request has won. It is an error where it says
// neither that nor the opposite.
func decided(a answer) (won bool, err error) {
	switch a.status {
	case http.StatusCreated, http.StatusNoContent:
		return true, nil
	case http.StatusPreconditionFailed, http.StatusConflict:
		return false, nil
	}
	return false, fmt.Errorf("%d %s", a.status, clip(a.body))
}
