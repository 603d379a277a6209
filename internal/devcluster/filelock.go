package devcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// errLocked is returned by tryLock when another process, or another holder in this one, has the
// lock.
var errLocked = errors.New("locked")

// fileLock is an advisory lock that the kernel drops when its holder dies, however it dies. The
// file stays behind: removing it would let two holders lock two different files of the same name.
type fileLock struct {
	file *os.File
}

// tryLock takes the lock at path, creating the file and its directory as needed. With errLocked it
// returns what the holder wrote.
func tryLock(path string) (lock *fileLock, holder string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, "", err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		data, _ := os.ReadFile(path)
		_ = file.Close()
		return nil, strings.TrimSpace(string(data)), errLocked
	case err != nil:
		_ = file.Close()
		return nil, "", fmt.Errorf("lock %s: %w", path, err)
	}
	lock = &fileLock{file: file}
	if err := lock.write(fmt.Sprintf("%d", os.Getpid())); err != nil {
		_ = lock.unlock()
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
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text+"\n"), 0)
	return err
}

// unlock gives the lock up. It must be called once.
func (l *fileLock) unlock() error {
	return l.file.Close()
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
