package devcluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestLockHasOneHolderAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "lock")
	first, _, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, holder, err := tryLock(path)
	if !errors.Is(err, errLocked) || holder != strconv.Itoa(os.Getpid()) {
		t.Errorf("second lock: %v, held by %q; want locked by us", err, holder)
	}
	if err := first.write("a note"); err != nil {
		t.Fatal(err)
	}
	if _, holder, _ = tryLock(path); holder != "a note" {
		t.Errorf("holder %q, want the note", holder)
	}

	waiting := make(chan string, 1)
	got := make(chan error, 1)
	go func() {
		lock, err := waitLock(t.Context(), path, func(holder string) { waiting <- holder })
		if err == nil {
			err = lock.Unlock()
		}
		got <- err
	}()
	if holder := <-waiting; holder != "a note" {
		t.Errorf("waiting for %q", holder)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the waiting one: %v", err)
	}
}

func TestWaitLockEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, _, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Unlock() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := waitLock(ctx, path, func(string) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestDirectoryInUseSaysByWhom(t *testing.T) {
	dir := t.TempDir()
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.write("4711 http://127.0.0.1:8080"); err != nil {
		t.Fatal(err)
	}
	var running *AlreadyRunningError
	if _, err := lockDir(dir); !errors.As(err, &running) || running.PID != "4711" || running.URL != "http://127.0.0.1:8080" {
		t.Errorf("got %v", err)
	}
	if err := Clean(dir); !errors.As(err, &running) {
		t.Errorf("Clean of a directory in use: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := Clean(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("after Clean: %v", err)
	}
	if err := Clean(dir); err != nil {
		t.Errorf("Clean of nothing: %v", err)
	}
	if err := Clean(t.TempDir()); err == nil {
		t.Error("Clean deleted a directory that is not ours")
	}
}
