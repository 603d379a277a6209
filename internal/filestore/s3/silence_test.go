package s3_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// answersWith is a Store whose backend does with each connection what serve does.
func answersWith(t *testing.T, limit time.Duration, serve func(net.Conn)) filestore.Store {
	t.Helper()
	store, err := s3.New(filestore.Config{
		Endpoint: "http://" + testkit.ListenTCP(t, serve), Region: "us-east-1", Bucket: "bucket", AddressingStyle: "Path",
		Credentials: &filestore.Credentials{AccessKeyID: "id", SecretAccessKey: "key"}, PayloadMode: "TrailingCRC64NVME",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	s3.SetSilence(store, limit)
	return store
}

// A backend that takes connections and says nothing is not waited for by what only asks; an abort
// and an assembly have their callers' time.
func TestSilentBackend(t *testing.T) {
	store := answersWith(t, 50*time.Millisecond, func(net.Conn) {})
	ctx := t.Context()
	ref := filestore.UploadRef{Key: "k", UploadID: "id"}
	for name, ask := range map[string]func() error{
		"Stat":         func() error { _, err := store.Stat(ctx, "k"); return err },
		"ListParts":    func() error { _, err := store.ListParts(ctx, ref); return err },
		"CreateUpload": func() error { _, err := store.CreateUpload(ctx, "k", filestore.CreateUploadOptions{}); return err },
		"ListUploads":  func() error { return store.ListUploads(ctx, "", func(filestore.Upload) bool { return true }) },
		"ListObjects":  func() error { return store.ListObjects(ctx, "", "", func(filestore.Object) bool { return true }) },
		"Probe":        func() error { _, err := store.Probe(ctx); return err },
	} {
		if err := ask(); !errors.Is(err, filestore.ErrSilent) || !errors.Is(err, filestore.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	part := filestore.Part{Number: 1, ETag: "e", Size: 1}
	for name, do := range map[string]func(context.Context) error{
		"AbortUpload": func(ctx context.Context) error { return store.AbortUpload(ctx, ref) },
		"CompleteUpload": func(ctx context.Context) error {
			_, err := store.CompleteUpload(ctx, ref, []filestore.Part{part}, filestore.Condition{})
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		if err := do(ctx); errors.Is(err, filestore.ErrSilent) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s was not waited for as long as its caller could: %v", name, err)
		}
		cancel()
	}
}

// The time begins anew with each byte: a long answer may take long, and one that stops in the
// middle is silence too.
func TestSlowAnswerIsNoSilence(t *testing.T) {
	t.Parallel()
	const limit = 4 * time.Second
	const answer = `<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>bucket</Bucket><Key>k</Key><UploadId>id</UploadId></ListPartsResult>`
	for _, whole := range []bool{true, false} {
		store := answersWith(t, limit, func(conn net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nx-amz-request-id: 1\r\nContent-Length: %d\r\n\r\n", len(answer))
			for i, piece := range strings.SplitAfter(answer, ">") {
				if !whole && i == 3 {
					return
				}
				time.Sleep(limit / 7) // of which there are ten
				_, _ = fmt.Fprint(conn, piece)
			}
		})
		_, err := store.ListParts(t.Context(), filestore.UploadRef{Key: "k", UploadID: "id"})
		if whole && err != nil || !whole && !errors.Is(err, filestore.ErrSilent) {
			t.Errorf("whole %v: %v", whole, err)
		}
	}
}
