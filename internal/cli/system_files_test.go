package cli

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestFiles is the life of a file: sent, looked at, replaced, received, deleted.
func TestFiles(t *testing.T) { onEachStore(t, testFiles) }

func testFiles(t *testing.T, c *shellOf) {
	f := c.newFile("logs/engine 1.bin")
	first, second := random(2*partSize+77), random(1000)
	c.write(t, "first.bin", first)
	c.write(t, "second.bin", second)
	out, told := c.run(t, 0, "put", "--part-size", "8Mi", "first.bin", f.entity+"/logs/engine 1.bin")
	says(t, told, "sent first.bin -> "+f.entity+"/logs/engine 1.bin, 16 MiB in ")
	if out != "" {
		t.Errorf("put prints %q to the standard output", out)
	}
	f.checkContent(t, first)

	out, _ = c.run(t, 0, "stat", "-o", "jsonpath={.size} {.version} {.entity}", f.entity+"/logs/engine 1.bin")
	if want := fmt.Sprintf("%d 0 %s", len(first), f.entity); out != want {
		t.Errorf("stat prints %q, want %q", out, want)
	}
	out, _ = c.run(t, 0, "stat", f.entity+"/logs/engine 1.bin")
	says(t, out, "16777293 bytes, 16 MiB", "crc64nvme:", "application/octet-stream")
	out, _ = c.run(t, 0, "ls", f.entity)
	says(t, out, "logs/", "1 files")
	out, _ = c.run(t, 0, "ls", "-r", "-o", "name", f.entity)
	if want := f.entity + "/logs/engine 1.bin\n"; out != want {
		t.Errorf("ls prints %q, want %q", out, want)
	}
	out, _ = c.run(t, 0, "ls", f.entity+"/logs/engine 1.bin")
	says(t, out, "engine 1.bin", "16 MiB")

	// The same bytes are there already. Others replace them only when that is asked for.
	c.run(t, 0, "put", "first.bin", f.entity+"/logs/engine 1.bin")
	_, told = c.run(t, 1, "put", "second.bin", f.entity+"/logs/engine 1.bin")
	says(t, told, "failed: second.bin: ", "--if-match VERSION or --force")
	c.run(t, 1, "put", "--if-match", "7", "second.bin", f.entity+"/logs/engine 1.bin")
	c.run(t, 0, "put", "--if-match", "0", "second.bin", f.entity+"/logs/engine 1.bin")
	f.checkContent(t, second)
	_, told = c.run(t, 0, "put", "--force", "second.bin", f.entity+"/logs/engine 1.bin")
	says(t, told, "there already")
	c.run(t, 0, "put", "--force", "first.bin", f.entity+"/logs/engine 1.bin")
	if head := f.must(t, 200, http.MethodHead, "", nil); head.Get("ETag") != "2" {
		t.Errorf("after two replacements the version is %s", head.Get("ETag"))
	}
	f.checkContent(t, first)

	_, told = c.run(t, 0, "get", f.entity+"/logs/engine 1.bin")
	says(t, told, "received ", "-> engine 1.bin, 16 MiB")
	c.holds(t, "engine 1.bin", first)
	_, told = c.run(t, 0, "get", f.entity+"/logs/engine 1.bin")
	says(t, told, "there already")
	_, told = c.run(t, 1, "get", f.entity+"/logs/engine 1.bin", "second.bin")
	says(t, told, "give --force to replace it")
	c.holds(t, "second.bin", second)
	c.run(t, 0, "get", "--force", f.entity+"/logs/engine 1.bin", "second.bin")
	c.holds(t, "second.bin", first)
	for _, args := range [][]string{{"cat", f.entity + "/logs/engine 1.bin"}, {"get", f.entity + "/logs/engine 1.bin", "-"}} {
		if out, _ := c.run(t, 0, args...); out != string(first) {
			t.Errorf("%q writes %d other bytes", args, len(out))
		}
	}

	_, told = c.run(t, 2, "rm", f.entity+"/logs/engine 1.bin")
	says(t, told, "give -y")
	c.run(t, 1, "rm", "-y", "--if-match", "1", f.entity+"/logs/engine 1.bin")
	c.run(t, 0, "rm", "-y", "--if-match", "2", f.entity+"/logs/engine 1.bin")
	f.must(t, 404, http.MethodHead, "", nil)
	_, told = c.run(t, 1, "rm", "-y", f.entity+"/logs/engine 1.bin")
	says(t, told, "failed: "+f.entity)
	entries, err := os.ReadDir(c.dir)
	check(t, err)
	if len(entries) != 3 {
		t.Errorf("there are %v", entries)
	}
}

// TestTrees sends and receives directories.
func TestTrees(t *testing.T) { onEachStore(t, testTrees) }

func testTrees(t *testing.T, c *shellOf) {
	f := c.newFile("")
	files := map[string][]byte{"a.txt": random(10), "sub/b.txt": random(2000), "sub/deep/ü c.txt": random(partSize + 1), "sub/d.log": random(1)}
	for name, content := range files {
		c.write(t, "tree/"+name, content)
	}
	out, _ := c.run(t, 0, "put", "-r", "--dry-run", "tree", f.entity+"/run/")
	says(t, out, filepath.Join("tree", "sub", "b.txt"), f.entity+"/run/sub/deep/ü c.txt")
	out, _ = c.run(t, 0, "ls", f.entity)
	if out != "" {
		t.Errorf("a dry run has sent %s", out)
	}
	c.write(t, "tree/empty", nil)
	_, told := c.run(t, 1, "put", "-r", "tree", f.entity+"/run/")
	says(t, told, "sent 4 of 5 files", "1 failed:", "empty, and the API takes no file without a byte")
	out, _ = c.run(t, 0, "put", "-r", "--json", "--force", "tree/sub", f.entity+"/run/sub")
	events := readEvents(t, out)
	last := events[len(events)-1]
	if last.Event != "summary" || *last.Files != 3 || len(last.FailedFiles) != 0 || *last.Moved != 0 {
		t.Errorf("the last event is %+v", last)
	}
	out, _ = c.run(t, 0, "ls", "--entity", f.entity, "run/")
	says(t, out, "a.txt", "sub/", "3 files")
	out, _ = c.run(t, 0, "ls", "-r", "-o", "name", "--filter", "name eq '*.txt'", f.entity+"/run")
	if names := strings.Split(strings.TrimSpace(out), "\n"); len(names) != 3 {
		t.Errorf("the filter leaves %q", names)
	}
	out, _ = c.run(t, 0, "ls", "-r", "-o", "jsonpath={range .items[*]}{.path} {end}", "--order", "size desc", "--limit", "2", f.entity)
	if out != "run/sub/deep/ü c.txt run/sub/b.txt " {
		t.Errorf("the two largest are %q", out)
	}

	_, told = c.run(t, 0, "get", "-r", f.entity+"/run", "back/here")
	says(t, told, "received 4 of 4 files")
	for name, content := range files {
		c.holds(t, "back/here/"+name, content)
	}
	before, err := os.Stat(filepath.Join(c.dir, "tree/a.txt"))
	check(t, err)
	after, err := os.Stat(filepath.Join(c.dir, "back/here/a.txt"))
	check(t, err)
	if diff := before.ModTime().Sub(after.ModTime()).Abs(); diff > 1e6 {
		t.Errorf("the time of a file that came back differs by %s", diff)
	}
	// One that is in the way fails by itself, and all others arrive.
	check(t, os.RemoveAll(filepath.Join(c.dir, "back/here/sub")))
	c.write(t, "back/here/a.txt", []byte("mine"))
	_, told = c.run(t, 1, "get", "-r", f.entity+"/run/", "back/here")
	says(t, told, "received 3 of 4 files", "1 failed:\n  "+f.entity+"/run/a.txt: the target exists with other bytes")
	c.holds(t, "back/here/a.txt", []byte("mine"))
	c.holds(t, "back/here/sub/b.txt", files["sub/b.txt"])
}

// TestStreams sends the standard input.
func TestStreams(t *testing.T) { onEachStore(t, testStreams) }

func testStreams(t *testing.T, c *shellOf) {
	for _, size := range []int{1, 2*partSize + 77} {
		f := c.newFile("stream.bin")
		content := random(size)
		_, told := c.runWith(t, 0, content, "put", "--part-size", "8Mi", "-", f.entity+"/stream.bin")
		says(t, told, "sent - -> "+f.entity+"/stream.bin")
		f.checkContent(t, content)
		other := random(size + 1)
		c.runWith(t, 1, other, "put", "-", f.entity+"/stream.bin")
		c.runWith(t, 0, other, "put", "--force", "-", f.entity+"/stream.bin")
		f.checkContent(t, other)
	}
	_, told := c.runWith(t, 1, nil, "put", "-", c.newFile("x").entity+"/x")
	says(t, told, "at least one byte")
}

// TestOpenUploads looks at an upload, completes one and aborts another one.
func TestOpenUploads(t *testing.T) { onEachStore(t, testOpenUploads) }

func testOpenUploads(t *testing.T, c *shellOf) {
	f, other := c.newFile("open.bin"), c.newFile("other.bin")
	content := random(2 * partSize)
	f.must(t, 201, http.MethodPut, "?upload=start", nil, "X-File-Size", strconv.Itoa(len(content)), "Idempotency-Key", "mine")
	f.must(t, 201, http.MethodPut, "?part=1", content[:partSize])
	out, told := c.run(t, 0, "parts", f.entity+"/open.bin")
	says(t, out, "PART", "8.0 MiB")
	says(t, told, "1 parts, 8.0 MiB.")
	out, _ = c.run(t, 0, "parts", "-o", "jsonpath={.items[*].number}", f.entity+"/open.bin")
	if out != "1" {
		t.Errorf("the parts are %q", out)
	}
	eventually(t, "the progress is shown", func() error {
		out, _ := c.run(t, 0, "uploads")
		for line := range strings.Lines(out) {
			if strings.Contains(line, f.entity+"/open.bin") && strings.Contains(line, "8.0 MiB   16 MiB") && strings.Contains(line, "Uploading") {
				return nil
			}
		}
		return fmt.Errorf("uploads prints:\n%s", out)
	})
	out, _ = c.run(t, 0, "uploads", "-A")
	says(t, out, "NAMESPACE", devcluster.SampleNamespace+"   ")
	out, _ = c.run(t, 0, "uploads", "-o", "name")
	if !slices.Contains(strings.Split(out, "\n"), f.entity+"/open.bin") {
		t.Errorf("uploads names %q", out)
	}
	out, _ = c.run(t, 0, "uploads", "-o", "jsonpath={.items[*].spec.path}")
	says(t, out, "open.bin")

	_, told = c.run(t, 1, "abort", f.entity+"/open.bin")
	says(t, told, "The key is given by --key")
	f.must(t, 201, http.MethodPut, "?part=3", content[partSize:])
	_, told = c.run(t, 1, "complete", f.entity+"/open.bin")
	says(t, told, "complete: ", "2", "(400)")
	c.run(t, 0, "abort", "--key", "mine", f.entity+"/open.bin")
	if n := f.parts(t); n != -1 {
		t.Errorf("after the abort there are %d parts", n)
	}
	_, told = c.run(t, 1, "abort", "--key", "mine", f.entity+"/open.bin")
	says(t, told, "no upload of this file is open")

	other.must(t, 201, http.MethodPut, "?upload=start", nil)
	other.must(t, 201, http.MethodPut, "?part=1", content[:partSize])
	for range 2 { // also as if the answer had got lost
		_, told = c.run(t, 0, "complete", other.entity+"/other.bin")
		says(t, told, "completed "+other.entity+"/other.bin, version 0, 8.0 MiB")
	}
	other.checkContent(t, content[:partSize])
}

// TestPutWaits sends what is there when the file is that it waits for, and ends when it is told to
// before.
func TestPutWaits(t *testing.T) {
	c := newShell(t)
	f := c.newFile("results/a")
	_, told := c.run(t, 2, "put", "--wait-for", "done", "results", "nonsense/")
	says(t, told, "does not begin with an entity")

	start := func() (*exec.Cmd, func()) {
		cmd, _, _ := c.command(t, "put", "-r", "--wait-for", "done", "results", f.entity+"/results/")
		path := filepath.Join(c.dir, "told")
		log, err := os.Create(path)
		check(t, err)
		t.Cleanup(func() { _ = log.Close() })
		cmd.Stderr = log
		check(t, cmd.Start())
		return cmd, func() {
			eventually(t, "it waits", func() error {
				text, err := os.ReadFile(path)
				if err == nil && !strings.Contains(string(text), "waiting for done\n") {
					err = fmt.Errorf("it says %q", text)
				}
				return err
			})
		}
	}
	cmd, waits := start()
	waits()
	check(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("it ends with %d", status)
	}
	cmd, waits = start()
	waits()
	c.write(t, "results/a", []byte("a"))
	c.write(t, "done", nil)
	check(t, cmd.Wait())
	f.checkContent(t, []byte("a"))
}
