package devcluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// AlreadyRunningError is returned by a start on a directory that another start still uses. That one
// is left alone.
type AlreadyRunningError struct {
	Dir string // the directory
	PID string // the process that uses it
	URL string // where it serves, "" while it is still starting
}

func (e *AlreadyRunningError) Error() string {
	url := "still starting"
	if e.URL != "" {
		url = "URL " + e.URL
	}
	return fmt.Sprintf("%s is in use: already running with pid %s, %s", e.Dir, e.PID, url)
}

// lockDir makes dir ours for as long as this process lives, or until unlock.
func lockDir(dir string) (*fileLock, error) {
	lock, holder, err := tryLock(filepath.Join(dir, "lock"))
	if errors.Is(err, errLocked) {
		pid, url, _ := strings.Cut(holder, " ")
		return nil, &AlreadyRunningError{Dir: dir, PID: pid, URL: url}
	}
	return lock, err
}

// Clean deletes the directory of an Up, with all objects and files in it. It returns
// *AlreadyRunningError when it is in use, and refuses a directory that Up has not made. A directory
// that is not there is no error.
func Clean(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "lock")); err != nil {
		return fmt.Errorf("%s was not made by devcluster: %w", dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dir), lock.Unlock())
}
