package ui

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// openers are the programs that open a file with what the user has chosen for it.
var openers = map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}

// HasScreen reports whether a browser can be seen by whoever has started this program.
func HasScreen() bool {
	if os.Getenv("SSH_CONNECTION") != "" {
		return false
	}
	return openers[runtime.GOOS] != nil || os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
}

// Open opens a link in the user's browser. It does so by a file that nobody else can read and that
// remove deletes: all users of the machine see the arguments of programs.
func Open(ctx context.Context, link string) (remove func(), err error) {
	opener := openers[runtime.GOOS]
	if opener == nil {
		opener = []string{"xdg-open"}
	}
	program, err := exec.LookPath(opener[0])
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(visible(), "iotfile-ui-")
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	file := filepath.Join(dir, "open.html")
	text := fmt.Sprintf(`<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=%s">`, html.EscapeString(link))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), program, append(opener[1:], file)...) //nolint:gosec // one of those above
	if err := command.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() { _ = command.Wait() }()
	return remove, nil
}

// visible is a directory that browsers in a box of their own (snap, Flatpak) can read, too, "" for
// that of temporary files.
func visible() string {
	home, err := os.UserHomeDir()
	if err != nil || runtime.GOOS != "linux" {
		return ""
	}
	dir := filepath.Join(home, "Downloads")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}
