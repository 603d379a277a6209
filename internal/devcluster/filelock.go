package devcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// errLocked is returned by tryLock when another process, or another holder in this one, has the
// lock.
var errLocked = errors.New("locked")

// fileLock is an advisory lock that the kernel drops when its holder dies, however it dies. The
// file stays behind: removing it would let two holders lock two different files of the same name.
type fileLock struct {
	*flock.Flock
}

// tryLock takes the lock at path, creating the file and its directory as needed. With errLocked it
// returns what the holder wrote.
func tryLock(path string) (lock *fileLock, holder string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, "", err
	}
	lock = &fileLock{flock.New(path)}
	switch taken, err := lock.TryLock(); {
	case err != nil:
		return nil, "", fmt.Errorf("lock %s: %w", path, err)
	case !taken:
		data, _ := os.ReadFile(path)
		return nil, strings.TrimSpace(string(data)), errLocked
	}
	if err := lock.write(strconv.Itoa(os.Getpid())); err != nil {
		_ = lock.Unlock()
		return nil, "", err
	}
	return lock, "", nil
}

// waitLock takes the lock at path and waits for it as long as ctx allows. onWait is called once,
// with what the holder wrote, when it has to wait.
func waitLock(ctx context.Context, path string, onWait func(holder string)) (*fileLock, error) {
	for waiting := false; ; {
		lock, holder, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		if !waiting {
			waiting = true
			onWait(holder)
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for the lock %s held by pid %s: %w", path, holder, err)
		}
	}
}

// write replaces what a process that finds the lock taken is told.
func (l *fileLock) write(text string) error {
	return os.WriteFile(l.Path(), []byte(text+"\n"), 0o600)
}

// sleep waits for d or until ctx is done, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
