package localfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// stateEvery is how often the state of what is being received is written: what has arrived since is
// received again by the run that goes on.
const stateEvery = time.Second

// Target is a file that is being received. Its bytes are in a file beside it, which gets its name
// when they are whole. A run that ends early leaves that file, and what it has of it, for the next
// one.
type Target struct {
	// File is where the bytes go.
	File *os.File
	// Resume is what an earlier run has told Checkpoint, nil if there was none.
	Resume []byte

	root  *os.Root
	name  string
	lock  *flock.Flock
	state []byte
	wrote time.Time
}

// OpenTarget begins to receive the file name, with separators of this system, below the directory
// of root, and makes the directories in between. Neither name nor a symbolic link leads out of the
// directory. Commit or Close must be called.
func OpenTarget(root *os.Root, name string) (*Target, error) {
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
	}
	if info, err := root.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", name)
	}
	t := &Target{root: root, name: name}
	if err := t.own(); err != nil {
		return nil, err
	}
	var err error
	t.Resume, err = root.ReadFile(t.statePath())
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		t.File, err = root.OpenFile(t.partialPath(), os.O_CREATE|os.O_RDWR, 0o666)
	}
	if err != nil {
		return nil, errors.Join(err, t.disown())
	}
	return t, nil
}

func (t *Target) partialPath() string { return t.name + partialSuffix }
func (t *Target) statePath() string   { return t.name + stateSuffix }
func (t *Target) lockPath() string    { return t.name + lockSuffix }

// own holds the lock of the target, so that no other process writes the same partial file.
func (t *Target) own() error {
	// Through the root, which refuses what lies outside. The lock opens it by its path.
	file, err := t.root.OpenFile(t.lockPath(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	t.lock = flock.New(filepath.Join(t.root.Name(), t.lockPath()), flock.SetFlag(os.O_RDWR))
	locked, err := t.lock.TryLock()
	if err == nil && locked {
		// Another process may have ended in between, and have removed the file that is locked now.
		var mine, now fs.FileInfo
		if mine, err = t.lock.Stat(); err == nil {
			if now, err = t.root.Stat(t.lockPath()); err == nil && os.SameFile(mine, now) {
				return nil
			}
		}
		_ = t.lock.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("another process is receiving %s", t.name)
}

// disown gives the lock back and removes its file: before, where a file that is open can be
// removed, so that nobody else has locked it by then; after on Windows, which refuses to remove one
// that somebody has opened.
func (t *Target) disown() error {
	if runtime.GOOS != "windows" {
		return errors.Join(t.root.Remove(t.lockPath()), t.lock.Close())
	}
	err := t.lock.Close()
	_ = t.root.Remove(t.lockPath())
	return err
}

// Checkpoint keeps what the client tells of the bytes that are there.
func (t *Target) Checkpoint(state []byte) {
	t.state = state
	if now := time.Now(); now.Sub(t.wrote) >= stateEvery {
		t.wrote = now
		t.save()
	}
}

// save writes the state. One that is lost costs bytes that are received again, and no more: the
// client compares what is there.
func (t *Target) save() {
	const fresh = ".new"
	if t.state != nil && t.root.WriteFile(t.statePath()+fresh, t.state, 0o600) == nil {
		_ = t.root.Rename(t.statePath()+fresh, t.statePath())
	}
}

// Close ends what was not received to its end. The bytes stay for the next run.
func (t *Target) Close() error {
	t.save()
	err := t.File.Close()
	if len(t.state)+len(t.Resume) == 0 { // nothing has arrived
		err = errors.Join(err, t.root.Remove(t.partialPath()))
	}
	return errors.Join(err, t.disown())
}

// Commit gives the bytes their name, in the place of any file that has it, once they are on the
// disk. modified, unless it is zero, becomes the time of the file.
func (t *Target) Commit(size int64, modified time.Time) error {
	err := t.File.Truncate(size)
	if err == nil {
		err = t.File.Sync()
	}
	err = errors.Join(err, t.File.Close())
	if err == nil && !modified.IsZero() {
		err = t.root.Chtimes(t.partialPath(), modified, modified)
	}
	if err == nil {
		err = t.root.Rename(t.partialPath(), t.name)
	}
	if err == nil {
		err = t.root.Remove(t.statePath())
		if errors.Is(err, fs.ErrNotExist) { // of a file that has arrived within a moment
			err = nil
		}
	}
	return errors.Join(err, t.disown())
}

// Spoil drops all that is there, so that the next run receives everything anew.
func (t *Target) Spoil() {
	t.state, t.Resume = nil, nil
	_ = t.root.Remove(t.statePath())
}
