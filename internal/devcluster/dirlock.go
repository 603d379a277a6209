package devcluster

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// AlreadyRunningError is returned by a start on a directory that another start still uses. That one is left alone.
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
