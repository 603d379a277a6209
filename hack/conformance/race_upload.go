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

// raceUploadOnce lets one complete an upload while another does something else to it, and says
// which were told that they have won. Two that complete it ask for the same: then the second counts
// alone. One that starts the next upload wins after this one, and counts not at all.
func (f *flow) raceUploadOnce(ctx context.Context, kind raceKind, n int) (won [2]bool, err error) {
	path, content := f.name("upload-race"), bytes.Repeat([]byte("the upload "), 4000)
	if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+"?upload=start", nil); err != nil {
		return won, err
	}
	var body []byte
	var header []string
	switch kind.rival {
	case "?upload=complete":
		body = content
	case "?upload=start":
		header = []string{"If-Match", "0"}
	}
	var group sync.WaitGroup
	var got [2]answer
	var errs [2]error
	group.Go(func() {
		time.Sleep(time.Duration(n%8) * 4 * time.Millisecond)
		got[0], errs[0] = f.send(ctx, 0, http.MethodPut, path+kind.rival, body, header...)
	})
	group.Go(func() { got[1], errs[1] = f.send(ctx, 1, http.MethodPut, path+"?upload=complete", content) })
	group.Wait()
	if err := errors.Join(errs[0], errs[1]); err != nil {
		return won, err
	}
	if won[0], err = f.rivalWon(ctx, kind, path, got[0]); err != nil {
		return won, err
	}
	if won[1], err = decided(got[1]); err != nil {
		return won, fmt.Errorf("the completion: %w", err)
	}
	if kind.rival == "?upload=complete" && got[0].status != got[1].status {
		return won, fmt.Errorf("two that complete one upload are answered with %d and %d", got[0].status, got[1].status)
	}
	if !won[1] {
		_, err = f.want(ctx, http.StatusNotFound, http.MethodGet, path, nil)
		return won, err
	}
	return won, f.wantFile(ctx, path, content)
}

// rivalWon judges the answer to the other one.
func (f *flow) rivalWon(ctx context.Context, kind raceKind, path string, got answer) (bool, error) {
	switch {
	case kind.rival == "?upload=complete":
		return false, nil
	case kind.rival == "?upload=abort" && (got.status == http.StatusNotFound || got.status == http.StatusConflict):
		return false, nil
	case kind.rival == "?upload=start" && (got.status == http.StatusBadRequest || got.status == http.StatusConflict):
		return false, nil
	case kind.rival == "?upload=start" && got.status == http.StatusNoContent:
		_, err := f.want(ctx, http.StatusNoContent, http.MethodPut, path+"?upload=abort", nil)
		return false, err
	}
	won, err := decided(got)
	if err != nil {
		err = fmt.Errorf("%s: %w", kind.rival, err)
	}
	return won, err
}
