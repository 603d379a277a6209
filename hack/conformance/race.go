package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// raceKind is who races for a file through two replicas.
type raceKind struct {
	name string
	// update: the file is there, and both replace its version; else both make it.
	update bool
	// upload: one of them completes an upload.
	upload bool
}

var raceKinds = []raceKind{
	{"two that make a file in one request", false, false},
	{"two that replace a file in one request", true, false},
	{"one that makes a file in one request, and one that completes an upload", false, true},
	{"one that replaces a file in one request, and one that completes an upload", true, true},
}

// race: of two writers exactly one wins, and the file is its own.
func (f *flow) race(ctx context.Context, kind raceKind) error {
	both, none, lost := 0, 0, 0
	var odd error
	for n := range f.settings.races {
		won, err := f.raceOnce(ctx, kind, n)
		switch {
		case errors.Is(err, errNotTheWinners):
			lost++
		case err != nil:
			odd = err
		case won == 0:
			none++
		case won == 2:
			both++
		}
	}
	if both+none+lost > 0 {
		odd = errors.Join(fmt.Errorf("both won %d times, none %d times, the winner was overwritten %d times", both, none, lost), odd)
	}
	return odd
}

// errLeftOut is what a step comes to that cannot be tried on this store.
var errLeftOut = errors.New("it cannot be tried here")

var errNotTheWinners = errors.New("the file is not the winner's")

// raceOnce lets two writers race and counts those that were told that they have won.
func (f *flow) raceOnce(ctx context.Context, kind raceKind, n int) (won int, err error) {
	path := f.name("race")
	var match []string
	if kind.update {
		match = []string{"If-Match", "0"}
		if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path, []byte("before")); err != nil {
			return 0, err
		}
	}
	contents := [2][]byte{bytes.Repeat([]byte("writer 0 "), 4000), bytes.Repeat([]byte("writer 1 "), 3000)}
	paths := [2]string{path, path}
	if kind.upload {
		paths[1] += "?upload=complete"
		if _, err := f.want(ctx, map[bool]int{false: http.StatusCreated, true: http.StatusNoContent}[kind.update], http.MethodPut, path+"?upload=start", nil, match...); err != nil {
			return 0, err
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
		return 0, err
	}
	if kind.upload && got[1].status >= http.StatusBadRequest {
		_, _ = f.send(ctx, 0, http.MethodPut, path+"?upload=abort", nil) // it is open, unless it was refused for good
	}
	return f.judge(ctx, path, got[:], contents[:])
}

// judge counts the winners. The file has to be that of one that has won alone.
func (f *flow) judge(ctx context.Context, path string, got []answer, contents [][]byte) (won int, err error) {
	var winners [][]byte
	for i, a := range got {
		switch a.status {
		case http.StatusCreated, http.StatusNoContent:
			winners = append(winners, contents[i])
		case http.StatusPreconditionFailed, http.StatusConflict:
		default:
			return len(winners), fmt.Errorf("writer %d: %d %s", i, a.status, clip(a.body))
		}
	}
	if len(winners) != 1 {
		return len(winners), nil
	}
	read, err := f.want(ctx, http.StatusOK, http.MethodGet, path, nil)
	if err == nil && !bytes.Equal(read.body, winners[0]) {
		err = errNotTheWinners
	}
	return 1, err
}

// lost: an upload that object storage has dropped by itself is told as such, and its file is free
// soon.
func (f *flow) lost(ctx context.Context) error {
	path := f.name("lost")
	key := f.settings.store.Prefix + "default/" + strings.TrimPrefix(path, "/api/iotfile/v3/files/")
	if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+"?upload=start", nil); err != nil {
		return err
	}
	if err := f.drop(ctx, key); err != nil {
		return err
	}
	got, err := f.do(ctx, 0, http.MethodPut, path+"?part=1", bytes.NewReader(random(minPart)), minPart)
	if err != nil {
		return err
	}
	if got.status != http.StatusConflict {
		return fmt.Errorf("a part of it is answered with %d %s", got.status, clip(got.body))
	}
	for began := time.Now(); ; time.Sleep(time.Second) {
		got, err := f.do(ctx, 0, http.MethodPut, path+"?upload=start", nil, 0)
		switch {
		case err != nil:
			return err
		case got.status == http.StatusCreated:
			_, err := f.want(ctx, http.StatusNoContent, http.MethodPut, path+"?upload=abort", nil)
			return err
		case time.Since(began) > time.Minute:
			return fmt.Errorf("a minute later, a start is answered with %d %s", got.status, clip(got.body))
		}
	}
}

// drop aborts the uploads of a key past the operator.
func (f *flow) drop(ctx context.Context, key string) error {
	store := &f.settings.store
	host, secure := strings.CutPrefix(store.Endpoint, "https://")
	client, err := minio.NewCore(strings.TrimPrefix(host, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(store.AccessKey, store.SecretKey, ""), Region: store.Region, Secure: secure,
	})
	if err != nil {
		return err
	}
	page, err := client.ListMultipartUploads(ctx, store.Bucket, key, "", "", "", 10)
	if err != nil {
		return err
	}
	if len(page.Uploads) != 1 {
		return errLeftOut // it lists none, so nobody can name it
	}
	return client.AbortMultipartUpload(ctx, store.Bucket, key, page.Uploads[0].UploadID)
}
