package cli

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/minio/crc64nvme"
	"golang.org/x/sync/semaphore"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// putRun is one run of put.
type putRun struct {
	*environment
	options *putOptions
	client  *iotfile.Client
	report  *report.Reporter
}

// all sends all items, as many at once as their parts leave room for. It returns when none is under
// way.
func (r *putRun) all(ctx context.Context, items []putItem) {
	var group sync.WaitGroup
	defer group.Wait()
	room := semaphore.NewWeighted(int64(r.options.parallel))
	for _, item := range items {
		n := places(item.Size, r.options.partSize, r.options.parallel)
		if room.Acquire(ctx, n) != nil {
			return // interrupted
		}
		group.Go(func() {
			defer room.Release(n)
			r.one(ctx, item, int(n))
		})
	}
}

// one sends a file and tells of it. What an interrupt has ended is told of once, for all.
func (r *putRun) one(ctx context.Context, item putItem, parallel int) {
	task := r.report.Start(item.Path, item.Path, item.to, item.Size)
	file, remark, err := r.send(ctx, item, parallel, task)
	switch {
	case err == nil:
		task.Done(file, remark)
	case ctx.Err() == nil:
		task.Failed(r.advise(item, err))
	}
}

// send sends a file, in the place of one that exists where the options say so. remark says what was
// particular.
func (r *putRun) send(ctx context.Context, item putItem, parallel int, task *report.Task) (file *iotfile.File, remark string, err error) {
	o := &iotfile.UploadOptions{
		IfMatch: r.options.replaces, Type: r.options.mediaType, Description: r.options.description,
		PartSize: int64(r.options.partSize), Concurrency: parallel, Progress: task.Progress,
	}
	if item.Path == standardInput {
		file, err = r.sendInput(ctx, item.to, o)
		return file, "", err
	}
	source, err := os.Open(item.Path)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = source.Close() }()
	info, err := source.Stat()
	if err != nil {
		return nil, "", err
	}
	if info.Size() == 0 {
		return nil, "", errors.New("it is empty, and the API takes no file without a byte")
	}
	o.Timestamp = info.ModTime()
	if r.options.force {
		return r.replace(ctx, item.to, source, info.Size(), o)
	}
	file, err = r.client.Upload(ctx, item.to, source, info.Size(), o)
	return file, "", err
}

// sendInput sends the standard input.
func (r *putRun) sendInput(ctx context.Context, to string, o *iotfile.UploadOptions) (*iotfile.File, error) {
	if r.options.force {
		var err error
		if o.IfMatch, _, err = r.existing(ctx, to); err != nil {
			return nil, err
		}
	}
	return r.client.UploadStream(ctx, to, input{ctx, r.In}, o)
}

// forced is how often a file is replaced that others replace at the same time.
const forced = 3

// replace sends a file in the place of whatever there is, unless that has the same bytes.
func (r *putRun) replace(ctx context.Context, to string, source io.ReaderAt, size int64, o *iotfile.UploadOptions) (file *iotfile.File, remark string, err error) {
	for attempt := 1; ; attempt++ {
		var there *iotfile.File
		if o.IfMatch, there, err = r.existing(ctx, to); err != nil {
			return nil, "", err
		}
		if same, err := isSame(source, size, there); err != nil || same {
			return there, "there already", err
		}
		file, err = r.client.Upload(ctx, to, source, size, o)
		if !errors.Is(err, iotfile.ErrConflict) || attempt == forced {
			return file, "", err
		}
	}
}

// existing gives the file that is replaced, and its version, nil where there is none.
func (r *putRun) existing(ctx context.Context, path string) (version *int64, file *iotfile.File, err error) {
	file, err = r.client.Stat(ctx, path)
	if errors.Is(err, iotfile.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return &file.Version, file, nil
}

// isSame reports whether a file has the size and the checksum of another one. Where object storage
// tells no CRC64NVME, it has not.
func isSame(source io.ReaderAt, size int64, other *iotfile.File) (bool, error) {
	if other == nil || other.Size != size {
		return false, nil
	}
	want, ok := strings.CutPrefix(other.Checksum, "crc64nvme:")
	if !ok {
		return false, nil
	}
	hash := crc64nvme.New()
	if _, err := io.Copy(hash, io.NewSectionReader(source, 0, size)); err != nil {
		return false, err
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, hash.Sum64())) == want, nil
}

// advise adds what to do to errors that have a remedy here.
func (r *putRun) advise(item putItem, err error) error {
	var refused *iotfile.Error
	switch {
	case errors.Is(err, iotfile.ErrBusy):
		return fmt.Errorf("%s. If nobody sends it, end it: %s abort %s", report.Message(err), r.program(), shellQuote(item.to))
	case errors.Is(err, iotfile.ErrConflict) && errors.As(err, &refused) && r.options.replaces == nil && !r.options.force:
		return fmt.Errorf("%s. To replace it, give --if-match VERSION or --force", report.Message(err))
	}
	return err
}

// input is the standard input, until the command is interrupted: a Read that waits for a program or
// a person would keep the command waiting, too.
type input struct {
	ctx context.Context //nolint:containedctx // that of the one call that reads
	in  io.Reader
}

// Read implements io.Reader. After an interrupt nobody takes what a Read that has begun gives.
func (i input) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		own := make([]byte, len(p))
		n, err := i.in.Read(own)
		done <- result{own[:n], err}
	}()
	select {
	case r := <-done:
		return copy(p, r.data), r.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
