// Command upload sends a file in parts. Run again after a crash it goes on where it was
// interrupted.
//
//	upload FILE ENTITY/PATH
//	upload --abort FILE ENTITY/PATH   gives up what an interrupted run with FILE has left
//
//	IOTFILE_URL           such as https://iotfile.iotfile-system.svc
//	IOTFILE_TOKEN_FILE    the projected token; default /var/run/iotfile/token
//	IF_MATCH              the ETag of the file that is to be replaced; without it there must be none
//	PART_MIB, PARALLEL    size of a part in MiB (16), how many are sent at once (4)
//	SSL_CERT_FILE         the authority that has signed the server's certificate, if it is a private one
//
// It needs the standard library alone, and streams each part from the file: nothing of it is kept
// in memory.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const files, lists = "/api/iotfile/v3/files/", "/api/iotfile/v3/fileslist/"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "upload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	abort := len(arguments) > 0 && arguments[0] == "--abort"
	if abort {
		arguments = arguments[1:]
	}
	if len(arguments) != 2 || c.url == "" {
		return errors.New("usage: IOTFILE_URL=… upload [--abort] FILE ENTITY/PATH")
	}
	file, err := os.Open(arguments[0])
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return errors.New(arguments[0] + " is empty")
	}
	u := &upload{
		client: c, file: file, name: escape(arguments[1]), size: info.Size(), modified: info.ModTime(),
		parts: int((info.Size()-1)/c.partSize + 1),
	}
	if abort {
		return u.abort(ctx)
	}
	return u.run(ctx)
}

// escape encodes each segment of a name for a URL.
func escape(name string) string {
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}

// upload is one file on its way to one address.
type upload struct {
	*client
	file     io.ReaderAt
	name     string
	size     int64
	modified time.Time
	parts    int
}

func (u *upload) run(ctx context.Context) error {
	if done, err := u.start(ctx); done || err != nil {
		return err
	}
	numbers, err := u.missing(ctx)
	if err != nil {
		return fmt.Errorf("list of parts: %w", err)
	}
	if err := u.sendAll(ctx, numbers); err != nil {
		return err
	}
	// The last piece completes the file. That may be repeated, too: it becomes the same part again,
	// and a completion that was successful is answered as before.
	a, err := u.put(ctx, "upload=complete", u.parts)
	if err != nil {
		return fmt.Errorf("complete: %w", err)
	}
	fmt.Printf("%s is there, ETag %s\n", u.name, a.header.Get("ETag"))
	return nil
}

// key names the upload: an earlier run with the same file has sent it, too.
func (u *upload) key() string {
	return fmt.Sprintf("%d-%d-%d", u.size, u.modified.Unix(), u.partSize>>20)
}

// abort gives up what an earlier run with the same file has left. Without the key it would be
// refused: the upload could be somebody else's.
func (u *upload) abort(ctx context.Context) error {
	a, err := u.do(ctx, http.MethodPut, files+u.name+"?upload=abort", nil, 0, http.Header{"Idempotency-Key": {u.key()}})
	if err != nil || a.status == http.StatusNotFound {
		return err
	}
	return a.refusal()
}

// start opens the upload, or finds the one that an earlier run with the same file has opened, by
// its key. done says that the file is there already.
func (u *upload) start(ctx context.Context) (done bool, err error) {
	timestamp := u.modified.UTC().Format("2006-01-02T15:04:05Z")
	header := http.Header{
		"Idempotency-Key": {u.key()},
		"X-File-Size":     {strconv.FormatInt(u.size, 10)},
		"Timestamp":       {timestamp},
	}
	if u.ifMatch != "" {
		header.Set("If-Match", u.ifMatch)
	}
	a, err := u.do(ctx, http.MethodPut, files+u.name+"?upload=start", nil, 0, header)
	if err != nil {
		return false, err
	}
	if a.status != http.StatusConflict {
		return false, a.refusal()
	}
	// The file exists. If it is this one, an earlier run has completed it, and not lived to see the
	// answer.
	there, err := u.do(ctx, http.MethodHead, files+u.name, nil, 0, nil)
	if err != nil {
		return false, err
	}
	etag := there.header.Get("ETag")
	if there.header.Get("Content-Length") != strconv.FormatInt(u.size, 10) || there.header.Get("Timestamp") != timestamp {
		return false, fmt.Errorf("the file exists, with ETag %s: set IF_MATCH to replace it", etag)
	}
	fmt.Printf("%s is there, ETag %s\n", u.name, etag)
	return true, nil
}

// missing lists the numbers of the parts that have not arrived, but for the last one.
func (u *upload) missing(ctx context.Context) ([]int, error) {
	a, err := u.do(ctx, http.MethodGet, lists+u.name, nil, 0, nil)
	if err != nil {
		return nil, err
	}
	if err := a.refusal(); err != nil {
		return nil, err
	}
	var listed []struct{ PartNo int }
	if err := json.Unmarshal(a.body, &listed); err != nil {
		return nil, err
	}
	numbers := []int{}
	for number := 1; number < u.parts; number++ {
		if !slices.ContainsFunc(listed, func(p struct{ PartNo int }) bool { return p.PartNo == number }) {
			numbers = append(numbers, number)
		}
	}
	return numbers, nil
}

// sendAll sends parts side by side, until one is refused.
func (u *upload) sendAll(ctx context.Context, numbers []int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var senders sync.WaitGroup
	for range u.parallel {
		senders.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(numbers)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if _, err := u.put(ctx, fmt.Sprintf("part=%d", numbers[i]), numbers[i]); err != nil {
					cancel(fmt.Errorf("part %d: %w", numbers[i], err)) // the first one counts
					return
				}
				fmt.Fprintln(os.Stderr, "part", numbers[i])
			}
		})
	}
	senders.Wait()
	return context.Cause(ctx)
}

// put sends a piece of the file.
func (u *upload) put(ctx context.Context, query string, number int) (*answer, error) {
	offset := int64(number-1) * u.partSize
	size := min(u.partSize, u.size-offset)
	a, err := u.do(ctx, http.MethodPut, files+u.name+"?"+query, io.NewSectionReader(u.file, offset, size), size, nil)
	if err != nil {
		return nil, err
	}
	return a, a.refusal()
}
