// Package image proves the Dockerfile where there is no container engine: BuildKit's own linter
// reads it, its build stage is done by hand, on exactly the files that the stage copies, and what
// the final stage would start is started the same way, as the same user, in an otherwise empty file
// system.
package image

import (
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// instruction is one of the Dockerfile, such as COPY api api, with its continuation lines and
// without the flags of RUN.
type instruction struct {
	stage   int
	keyword string
	words   []string
}

// dockerfile reads the instructions, of which this project uses the plainest form. BuildKit's
// linter sees to it that they are well-formed.
func dockerfile(t *testing.T, root string) []instruction {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var all []instruction
	stage := -1
	for line := range strings.Lines(strings.ReplaceAll(string(data), "\\\n", " ")) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if words[0] == "FROM" {
			stage++
		}
		all = append(all, instruction{stage, words[0], words[1:]})
	}
	return all
}

// find returns the words of all instructions of a keyword in a stage.
func find(all []instruction, stage int, keyword string) [][]string {
	var found [][]string
	for _, i := range all {
		if i.stage == stage && i.keyword == keyword {
			found = append(found, i.words)
		}
	}
	return found
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := devcluster.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestLint has BuildKit check the Dockerfile, as `docker build --check` does, and sees that it
// would complain of one that is worse.
func TestLint(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the linter")
	}
	linter, err := devcluster.FindTool(t.Context(), t.Output(), devcluster.DockerLint)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(moduleRoot(t), "Dockerfile")
	if out, err := exec.CommandContext(t.Context(), linter, path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for complaint, change := range map[string][2]string{
		"JSONArgsRecommended":         {`ENTRYPOINT ["/operator"]`, `ENTRYPOINT /operator`},
		"UndefinedArgInFrom":          {"$BUILDPLATFORM", "$BUILDPLATFROM"},
		"SecretsUsedInArgOrEnv":       {"ARG TARGETOS", "ARG TARGETOS\nENV API_TOKEN=secret"},
		"dockerfile parse error":      {"USER 65532:65532", "USERS 65532:65532"},
		"ConsistentInstructionCasing": {"COPY api", "copy api"},
	} {
		worse := filepath.Join(t.TempDir(), "Dockerfile")
		changed := strings.Replace(string(data), change[0], change[1], 1)
		if changed == string(data) {
			t.Fatalf("the Dockerfile has no %q", change[0])
		}
		if err := os.WriteFile(worse, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), linter, worse).CombinedOutput(); err == nil || !strings.Contains(string(out), complaint) {
			t.Errorf("%q instead of %q: %v\n%s", change[1], change[0], err, out)
		}
	}
}

// program is one of which there is an image, with the stages of the Dockerfile that build it, and
// the directory that becomes the image.
type program struct {
	name, dir string
	stages    []int
}

var (
	operatorProgram = program{"operator", "/image", []int{0}}
	cliProgram      = program{"kubectl-iotfile", "/cli", []int{0, 1}}
)

// buildContext copies what the stages do, of what .dockerignore lets into the context.
func buildContext(t *testing.T, root string, all []instruction, p program) string {
	t.Helper()
	ignored, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	var patterns []string
	for line := range strings.Lines(string(ignored)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			patterns = append(patterns, line)
		}
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	context := t.TempDir()
	var copies [][]string
	for _, stage := range p.stages {
		copies = append(copies, find(all, stage, "COPY")...)
	}
	for _, words := range copies {
		to := words[len(words)-1]
		for _, from := range words[:len(words)-1] {
			files := copyInto(t, root, from, filepath.Join(context, to), matcher)
			if len(files) == 0 {
				t.Errorf("COPY %s finds nothing", from)
			}
		}
	}
	return context
}

// copyInto copies a file into a directory, or what is in a directory, as COPY does, and returns
// what it has copied.
func copyInto(t *testing.T, root, from, to string, ignored *patternmatcher.PatternMatcher) []string {
	t.Helper()
	base := filepath.Join(root, from)
	if info, err := os.Stat(base); err != nil {
		t.Fatal(err)
	} else if !info.IsDir() {
		base = filepath.Dir(base)
	}
	var files []string
	err := filepath.WalkDir(filepath.Join(root, from), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if out, err := ignored.MatchesOrParentMatches(name); err != nil || out {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, name)
		relative, err := filepath.Rel(base, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// build does the last stage that builds a program: it runs the commands of the Dockerfile on the
// files that the stage has, for this machine, and returns the directory that becomes the image.
func build(t *testing.T, p program) string {
	t.Helper()
	root := moduleRoot(t)
	all := dockerfile(t, root)
	context := buildContext(t, root, all, p)
	var commands []string
	for _, words := range find(all, p.stages[len(p.stages)-1], "RUN") {
		words = slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, "--mount=") })
		commands = append(commands, strings.Join(words, " "))
	}
	if len(commands) > 0 && commands[0] == "go mod download" {
		commands = commands[1:]
	}
	if len(commands) != 2 {
		t.Fatalf("the stage runs %q", commands)
	}
	image := filepath.Join(t.TempDir(), "root")
	for _, command := range commands {
		moved := regexp.MustCompile(`([ =])`+p.dir+`\b`).ReplaceAllString(command, "${1}"+image)
		if moved == command {
			t.Fatalf("no output in %q", command)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", moved)
		cmd.Dir = context
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOFLAGS=") }), "GOFLAGS=-mod=readonly", "GOWORK=", "TARGETOS=", "TARGETARCH=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", moved, err, out)
		}
	}
	return image
}

// TestEverythingIsCopied compares what the stages copy with what the programs are made of: the
// builds below fail where something is missing, this names it, and what is too much.
func TestEverythingIsCopied(t *testing.T) {
	for _, p := range []program{operatorProgram, cliProgram} {
		t.Run(p.name, func(t *testing.T) { checkCopied(t, p) })
	}
}

func checkCopied(t *testing.T, p program) {
	root := moduleRoot(t)
	context := buildContext(t, root, dockerfile(t, root), p)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=Dir,Module,GoFiles,EmbedFiles", "./cmd/"+p.name)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var pkg struct {
			Dir                 string
			Module              *struct{ Main bool }
			GoFiles, EmbedFiles []string
		}
		if err := decoder.Decode(&pkg); err != nil {
			t.Fatal(err)
		}
		if pkg.Module == nil || !pkg.Module.Main {
			continue
		}
		for _, file := range append(pkg.GoFiles, pkg.EmbedFiles...) {
			name, err := filepath.Rel(root, filepath.Join(pkg.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			needed[name] = true
			if _, err := os.Stat(filepath.Join(context, name)); err != nil {
				t.Errorf("%s is part of the program, and not in the image's build: %v", name, err)
			}
		}
	}
	if len(needed) < 50 {
		t.Errorf("the program is made of %d files?", len(needed))
	}
	err = filepath.WalkDir(context, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			t.Errorf("%s is in the image's build, and any change of it would build the program anew", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBinariesAreStatic: the final stages have no linker and no library.
func TestBinariesAreStatic(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs")
	}
	for _, p := range []program{operatorProgram, cliProgram} {
		t.Run(p.name, func(t *testing.T) { checkStatic(t, filepath.Join(build(t, p), p.name)) })
	}
}

func checkStatic(t *testing.T, path string) {
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment %s: it needs a dynamic linker", p.Type)
		}
	}
	if libraries, err := file.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("it needs %q", libraries)
	}
	if file.Section(".symtab") != nil || file.Section(".debug_info") != nil {
		t.Error("it is not stripped")
	}
}
