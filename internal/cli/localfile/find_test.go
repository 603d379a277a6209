package localfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// tree makes files, by their names with slashes, of as many bytes as their names have.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	dir := tree(t, "a.log", "b.log", "c.txt", "sub/d.log", "sub/deep/e.log", "lit[1].log", "lit1.log")
	t.Chdir(dir)
	for _, link := range [][2]string{{"a.log", "sub/link"}, {"deep", "sub/dirlink"}, {"nothing", "sub/dangling"}, {"sub", "rootlink"}} {
		if err := os.Symlink(link[0], link[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove("sub/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../a.log", "sub/link"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo("sub/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args      string
		recursive bool
		want      string // name>rel
		skipped   string
		err       string
	}{
		{args: "a.log", want: "a.log>a.log"},
		{args: "sub/d.log c.txt", want: "sub/d.log>d.log c.txt>c.txt"},
		{args: "?.log", want: "a.log>a.log b.log>b.log"},
		{args: "lit[1].log", want: "lit[1].log>lit[1].log"}, // a file of that name comes before what it would match
		{args: "x*.log", err: "none matches"},
		{args: "missing", err: "no such file"},
		{args: "[", err: "syntax error in pattern"},
		{args: "sub", err: "give -r"},
		{args: "sub/fifo", err: "no regular file"},
		{
			args: "sub", recursive: true, want: "sub/d.log>d.log sub/deep/e.log>deep/e.log sub/link>link",
			skipped: "sub/dangling sub/dirlink sub/fifo",
		},
		{args: "rootlink/", recursive: true, want: "rootlink/d.log>d.log rootlink/deep/e.log>deep/e.log rootlink/link>link", skipped: "rootlink/dangling rootlink/dirlink rootlink/fifo"},
		{args: "c.txt sub/deep", recursive: true, want: "c.txt>c.txt sub/deep/e.log>e.log"},
	} {
		found, skipped, err := Find(strings.Fields(tt.args), tt.recursive)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.args, err, tt.err)
			}
			continue
		}
		var got, left []string
		for _, f := range found {
			got = append(got, f.Path+">"+f.Rel)
			if info, err := os.Stat(f.Path); err != nil || info.Size() != f.Size {
				t.Errorf("%s: %+v, %v", tt.args, f, err)
			}
		}
		for _, s := range skipped {
			left = append(left, s.Path)
		}
		slices.Sort(left)
		if err != nil || strings.Join(got, " ") != tt.want || strings.Join(left, " ") != tt.skipped {
			t.Errorf("%s: %q, without %q, %v", tt.args, got, left, err)
		}
	}
}
