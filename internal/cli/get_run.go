package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/localfile"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// getRun is one run of get.
type getRun struct {
	*environment
	options *getOptions
	client  *iotfile.Client
	report  *report.Reporter
	// root is the directory that all targets are below.
	root  *os.Root
	items []getItem
}

// all receives all items, as many at once as their parts leave room for. It returns when none is
// under way.
func (r *getRun) all(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	room := semaphore.NewWeighted(int64(r.options.parallel))
	for _, item := range r.items {
		if item.refused != nil {
			r.report.Refused(item.from, item.refused)
			continue
		}
		n := places(item.size, r.options.partSize, r.options.parallel)
		if room.Acquire(ctx, n) != nil {
			return // interrupted
		}
		group.Go(func() {
			defer room.Release(n)
			r.one(ctx, item, int(n))
		})
	}
}

// one receives a file and tells of it. What an interrupt has ended is told of once, for all.
func (r *getRun) one(ctx context.Context, item getItem, parallel int) {
	task := r.report.Start(item.from, item.from, filepath.Join(r.root.Name(), item.name), item.size)
	file, remark, err := r.receive(ctx, item, parallel, task)
	switch {
	case err == nil:
		task.Done(file, remark)
	case ctx.Err() == nil:
		task.Failed(err)
	}
}

// receive receives a file beside its target, and gives it its name. remark says what was
// particular.
func (r *getRun) receive(ctx context.Context, item getItem, parallel int, task *report.Task) (file *iotfile.File, remark string, err error) {
	if there, err := r.there(ctx, item); there != nil || err != nil {
		return there, "there already", err
	}
	target, err := localfile.OpenTarget(r.root, item.name)
	if err != nil {
		return nil, "", err
	}
	file, err = r.client.Download(ctx, item.from, target.File, &iotfile.DownloadOptions{
		PartSize: int64(r.options.partSize), Concurrency: parallel, Resume: target.Resume, Checkpoint: target.Checkpoint, Progress: task.Progress,
	})
	if err != nil {
		if errors.Is(err, iotfile.ErrChecksum) {
			target.Spoil()
		}
		return nil, "", errors.Join(err, target.Close())
	}
	if file.Size > 0 && file.Checksum == "" {
		remark = "not verified, since object storage tells no checksum"
	}
	return file, remark, target.Commit(file.Size, file.Timestamp)
}

// there gives the file of the server where the target has its bytes already. A target with other
// bytes is an error, unless it is to be replaced.
func (r *getRun) there(ctx context.Context, item getItem) (*iotfile.File, error) {
	info, err := r.root.Stat(item.name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("the target is no regular file")
	}
	file, err := r.client.Stat(ctx, item.from)
	if err != nil {
		return nil, err
	}
	local, err := r.root.Open(item.name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = local.Close() }()
	same, err := isSame(local, info.Size(), file)
	switch {
	case err != nil:
		return nil, err
	case same:
		return file, nil
	case !r.options.force:
		return nil, errors.New("the target exists with other bytes: give --force to replace it")
	}
	return nil, nil
}
