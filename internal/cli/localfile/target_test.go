package localfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openRoot(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func mustOpen(t *testing.T, root *os.Root, name string) *Target {
	t.Helper()
	target, err := OpenTarget(root, name)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// left lists all files below a directory.
func left(t *testing.T, root *os.Root) string {
	t.Helper()
	var out []string
	err := filepath.Walk(root.Name(), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			rel, _ := filepath.Rel(root.Name(), path)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func write(t *testing.T, target *Target, text string) {
	t.Helper()
	if _, err := target.File.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// TestTarget: the name stands for whole files only, and a run goes on with what another has left.
func TestTarget(t *testing.T) {
	root := openRoot(t)
	target := mustOpen(t, root, "sub/deep/a.bin")
	if target.Resume != nil {
		t.Errorf("there is something to go on with: %q", target.Resume)
	}
	write(t, target, "half of it, and more")
	target.Checkpoint([]byte("state 1")) // is written, and the next one is not yet
	target.Checkpoint([]byte("state 2"))
	if got := left(t, root); got != "sub/deep/a.bin.iotfile-lock sub/deep/a.bin.iotfile-partial sub/deep/a.bin.iotfile-state" {
		t.Errorf("while it is received there are %s", got)
	}
	if _, err := OpenTarget(root, "sub/deep/a.bin"); err == nil || !strings.Contains(err.Error(), "another process is receiving") {
		t.Errorf("a second receiver gets %v", err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	if got := left(t, root); got != "sub/deep/a.bin.iotfile-partial sub/deep/a.bin.iotfile-state" {
		t.Errorf("after an end there are %s", got)
	}

	if err := root.WriteFile("sub/deep/a.bin", []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	target = mustOpen(t, root, "sub/deep/a.bin")
	if string(target.Resume) != "state 2" {
		t.Errorf("it goes on with %q", target.Resume)
	}
	write(t, target, "the whole")
	modified := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	if err := target.Commit(int64(len("the whole")), modified); err != nil {
		t.Fatal(err)
	}
	data, err := root.ReadFile("sub/deep/a.bin")
	if err != nil || string(data) != "the whole" {
		t.Errorf("the file has %q, %v", data, err)
	}
	if info, err := root.Stat("sub/deep/a.bin"); err != nil || !info.ModTime().Equal(modified) {
		t.Errorf("%v, %v", info, err)
	}
	if got := left(t, root); got != "sub/deep/a.bin" {
		t.Errorf("at the end there are %s", got)
	}
}

// TestTargetThatGotNothing leaves nothing; one whose bytes are wrong leaves none to go on with.
func TestTargetThatGotNothing(t *testing.T) {
	root := openRoot(t)
	if err := mustOpen(t, root, "a").Close(); err != nil {
		t.Fatal(err)
	}
	target := mustOpen(t, root, "b")
	write(t, target, "damaged")
	target.Checkpoint([]byte("state"))
	target.Spoil()
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	if got := left(t, root); got != "" {
		t.Errorf("there are %s", got)
	}
}

// TestTargetStaysInside: symbolic links lead nowhere outside of the directory.
func TestTargetStaysInside(t *testing.T) {
	outside, root := t.TempDir(), openRoot(t)
	for name, to := range map[string]string{
		"dir": outside, "up": "..", "file.iotfile-partial": filepath.Join(outside, "x"), "lock.iotfile-lock": filepath.Join(outside, "y"), "state.iotfile-state": filepath.Join(outside, "z"),
	} {
		if err := os.Symlink(to, filepath.Join(root.Name(), name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"dir/a", "up/a", "../a", "file", "lock", "state"} {
		target, err := OpenTarget(root, name)
		if err == nil {
			t.Errorf("%s was opened", name)
			_ = target.Close()
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside there are %v, %v", entries, err)
	}
	// A target that is a link is replaced, not followed.
	if err := os.Symlink(filepath.Join(outside, "victim"), filepath.Join(root.Name(), "link")); err != nil {
		t.Fatal(err)
	}
	target, err := OpenTarget(root, "link")
	if err != nil {
		t.Fatal(err)
	}
	write(t, target, "x")
	if err := target.Commit(1, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if info, err := root.Lstat("link"); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside there are %v, %v", entries, err)
	}
}
