package localfile

import (
	"path/filepath"
	"testing"
)

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name         string
		unix, window bool
	}{
		{"a", true, true},
		{"a/b c/ü.bin", true, true},
		{"..a/b..", true, false}, // Windows drops dots at an end
		{"", false, false},
		{"/etc/passwd", false, false},
		{"../a", false, false},
		{"a/../../b", false, false},
		{"a/./b", false, false},
		{"a//b", false, false},
		{"a/", false, false},
		{"a\x00b", false, false},
		{"a\x1b[2Jb", false, false},
		{"\xff", false, false},
		{`..\a`, true, false},
		{`a\b`, true, false},
		{"C:", true, false},
		{"C:a", true, false},
		{"a:stream", true, false},
		{"12:30.log", true, false},
		{"what?", true, false},
		{"a ", true, false},
		{"con", true, false},
		{"x/NUL.txt", true, false},
		{"com1.log", true, false},
		{"LPT¹", true, false},
		{"console", true, true},
		{"a.iotfile-partial", false, false},
		{"a.iotfile-lock/b", false, false},
	} {
		for windows, want := range map[bool]bool{false: tt.unix, true: tt.window} {
			names, refused := namesFor([]string{tt.name}, windows, windows)
			if got := refused[tt.name] == nil; got != want || got != (len(names) == 1) {
				t.Errorf("%q, Windows %t: %q, %v", tt.name, windows, names, refused)
			}
			if local, ok := names[tt.name]; ok && !windows && !filepath.IsLocal(local) {
				t.Errorf("%q becomes %q, which is not local", tt.name, local)
			}
		}
	}
}

// TestNamesCase: of two names that a file system takes for one the first is received.
func TestNamesCase(t *testing.T) {
	remote := []string{"logs/A.txt", "logs/a.txt", "Logs/b.txt"}
	if names, refused := namesFor(remote, false, false); len(names) != 3 || len(refused) != 0 {
		t.Errorf("%q, %v", names, refused)
	}
	if names, refused := namesFor(remote, false, true); len(names) != 2 || refused["logs/a.txt"] == nil {
		t.Errorf("%q, %v", names, refused)
	}
	if ignores, err := IgnoresCase(t.TempDir()); err != nil {
		t.Error(err)
	} else {
		t.Logf("the file system of the tests ignores case: %t", ignores)
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a/b", "../a", `C:\x`, "a/../b", "con", "\x1b]0;x\x07"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		names, _ := namesFor([]string{name}, false, false)
		if local, ok := names[name]; ok && !filepath.IsLocal(local) {
			t.Errorf("%q leads out as %q", name, local)
		}
	})
}
