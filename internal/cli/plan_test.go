package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
)

const anEntity = "0123456789abcdef0123456789abcdef"

// shell is an environment without a kubeconfig, in a directory of its own.
func shell(t *testing.T) *environment {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	t.Setenv("IOTFILE_ENTITY", "")
	return &environment{Streams: Streams{strings.NewReader(""), io.Discard, io.Discard}, args: []string{"kubectl-iotfile"}, flags: connection.NewFlags()}
}

func TestPlace(t *testing.T) {
	other := strings.Repeat("f", 32)
	for _, tt := range []struct {
		flag, variable, arg string
		want                place
		err                 string
	}{
		{arg: anEntity + "/a/b", want: place{anEntity, "a/b", false}},
		{arg: anEntity + "/a/", want: place{anEntity, "a", true}},
		{arg: anEntity, want: place{anEntity, "", true}},
		{arg: anEntity + "/", want: place{anEntity, "", true}},
		{arg: "a/b", variable: other, want: place{other, "a/b", false}},
		{arg: "", variable: other, want: place{other, "", true}},
		// The default stands back behind an entity that is written, and a flag does not.
		{arg: anEntity + "/a", variable: other, want: place{anEntity, "a", false}},
		{arg: anEntity + "/a", flag: other, want: place{other, anEntity + "/a", false}},
		{arg: "a/b", err: "does not begin with an entity"},
		{arg: strings.ToUpper(anEntity) + "/a", err: "does not begin with an entity"},
		{arg: "a", variable: "xyz", err: `the entity "xyz" is not`},
	} {
		e := shell(t)
		t.Setenv("IOTFILE_ENTITY", tt.variable)
		root, e := newRoot([]string{"kubectl-iotfile"}, e.Streams)
		if tt.flag != "" {
			if err := root.PersistentFlags().Set("entity", tt.flag); err != nil {
				t.Fatal(err)
			}
		}
		got, err := e.place(tt.arg)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%+v: %+v, %v", tt, got, err)
		}
	}
}

// TestPlanPut says what becomes of which arguments.
func TestPlanPut(t *testing.T) {
	e := shell(t)
	for _, name := range []string{"a", "b", "dir/c", "dir/sub/d", "one/x"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args      string
		recursive bool
		to, want  string
	}{
		{"a", false, "/p", "a>/p"},
		{"a", false, "/p/", "a>/p/a"},
		{"a", false, "", "a>/a"},
		{"a b", false, "/p/", "a>/p/a b>/p/b"},
		{"?", false, "/p/", "a>/p/a b>/p/b"},
		{"a", true, "/p", "a>/p"},
		{"dir", true, "/p", "dir/c>/p/c dir/sub/d>/p/sub/d"},
		{"one", true, "/p", "one/x>/p/x"}, // a directory with one file is no file
		{"a dir", true, "/p", "a>/p/a dir/c>/p/c dir/sub/d>/p/sub/d"},
		{"-", false, "/p", "->/p"},
	} {
		items, _, err := e.planPut(&putOptions{recursive: tt.recursive}, strings.Fields(tt.args), anEntity+tt.to)
		var got []string
		for _, item := range items {
			got = append(got, item.Path+">"+strings.TrimPrefix(item.to, anEntity))
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: %q, %v", tt, got, err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	e := shell(t)
	e.args = []string{"./bin/kubectl-iotfile", "put", "it's.bin", "", "$x", "--json=true", anEntity + "/"}
	if got, want := e.commandLine(), `./bin/kubectl-iotfile put 'it'\''s.bin' '' '$x' --json=true `+anEntity+"/"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// As kubectl calls it.
	bin := t.TempDir()
	for _, name := range []string{"kubectl", "kubectl-iotfile"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	e.args = []string{filepath.Join(bin, "kubectl-iotfile"), "ls"}
	if got := e.commandLine(); got != "kubectl iotfile ls" {
		t.Errorf("%s", got)
	}
}

// TestHelp: each command says what it does, with an example, within the width of a terminal.
func TestHelp(t *testing.T) {
	commands := Command().Commands()
	if len(commands) < 10 {
		t.Fatalf("there are %d commands", len(commands))
	}
	for _, cmd := range commands {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" || cmd.RunE == nil || cmd.Args == nil {
			t.Errorf("%s has no help, example, action or rule for its arguments", cmd.Name())
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len([]rune(line)) > 121 {
				t.Errorf("%s: %d columns: %s", cmd.Name(), len([]rune(line)), line)
			}
		}
	}
}
