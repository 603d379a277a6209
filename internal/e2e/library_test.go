package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// library is the Go client as the tenant's service account, which remembers its attempts.
type library struct {
	*iotfile.Client
	mu       sync.Mutex
	attempts []iotfile.Attempt
}

// library makes one that talks to the operator at address.
func (tn *tenant) library(t *testing.T, address string) *library {
	t.Helper()
	l := &library{}
	var err error
	l.Client, err = iotfile.New(address, &iotfile.Options{Token: iotfile.StaticToken(tn.token), Namespace: tn.namespace, OnAttempt: func(a iotfile.Attempt) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.attempts = append(l.attempts, a)
	}})
	check(t, err)
	return l
}

// ops takes what was asked since the last time, without the attempts that failed.
func (l *library) ops() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, a := range l.attempts {
		if a.Err == nil {
			out = append(out, a.Op)
		}
	}
	l.attempts = nil
	return out
}

// name is the file's as the library takes it.
func (f *file) name() string {
	path, err := url.PathUnescape(f.path)
	if err != nil {
		panic(err)
	}
	return f.entity + "/" + path
}

// TestLibrary: the Go client does all that the API can do, before each store.
func TestLibrary(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		for name, test := range map[string]func(*testing.T, *tenant){
			"files": libraryFiles, "streams": libraryStreams, "reads": libraryReads, "searches": librarySearches, "errors": libraryErrors,
			"resumes": libraryResumes, "changes": libraryChanges, "two writers": libraryTwoWriters, "downloads go on": libraryDownloads,
		} {
			t.Run(name, func(t *testing.T) { test(t, tn) })
		}
	})
}

// libraryFiles uploads files of all kinds of sizes, and compares them behind the API.
func libraryFiles(t *testing.T, tn *tenant) {
	l := tn.library(t, system.operator.URL)
	given := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	for _, size := range []int{1, partSize, partSize + 1, 2 * partSize, 3*partSize - 1, 4*partSize + 77} {
		f := tn.newFile("logs/engine%20%C3%BC.bin")
		content := random(size)
		var last iotfile.Progress
		options := &iotfile.UploadOptions{
			Type: "application/x-engine", Description: "of engine ü", Timestamp: given, Header: http.Header{"Content-Language": {"de"}},
			PartSize: partSize, Progress: func(p iotfile.Progress) { last = p },
		}
		got, err := l.Upload(t.Context(), f.name(), bytes.NewReader(content), int64(size), options)
		if err != nil {
			t.Fatal(err)
		}
		if got.Path != f.name() || got.Size != int64(size) || got.Version != 0 || got.Tag == "" || got.Type != options.Type || got.Description != options.Description ||
			!got.Timestamp.Equal(given) || got.Updated.IsZero() || !strings.HasPrefix(got.Checksum, "crc64nvme:") {
			t.Errorf("%d bytes: %+v", size, got)
		}
		if last.Done != last.Total || last.Total != int64(size) || last.Moved != int64(size) || last.Reused != 0 {
			t.Errorf("%d bytes: at the end the progress is %+v", size, last)
		}
		a := f.must(t, 200, http.MethodGet, "", nil)
		if !bytes.Equal(a.body, content) || a.header.Get("Content-Language") != "de" {
			t.Errorf("%d bytes became %d others, %v", size, len(a.body), a.header)
		}
		// Sent again it is found; other bytes of the size are a conflict.
		if again, err := l.Upload(t.Context(), f.name(), bytes.NewReader(content), int64(size), options); err != nil || *again != *got {
			t.Errorf("again: %+v, %v", again, err)
		}
		other := bytes.Clone(content)
		other[size/2] ^= 1
		if _, err := l.Upload(t.Context(), f.name(), bytes.NewReader(other), int64(size), options); !errors.Is(err, iotfile.ErrConflict) {
			t.Errorf("other bytes: %v", err)
		}
		options.IfMatch = &got.Version
		if now, err := l.Upload(t.Context(), f.name(), bytes.NewReader(other), int64(size), options); err != nil || now.Version != 1 || now.Tag == got.Tag {
			t.Errorf("replaced: %+v, %v", now, err)
		}
		if a := f.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(a.body, other) {
			t.Errorf("%d bytes are not those that replaced the others", size)
		}
		check(t, l.Delete(t.Context(), f.name(), &iotfile.DeleteOptions{IfMatch: new(int64(1))}))
	}
}

// libraryStreams sends bytes whose number nobody tells.
func libraryStreams(t *testing.T, tn *tenant) {
	l := tn.library(t, system.operator.URL)
	for _, size := range []int{1, partSize - 1, partSize, partSize + 1, 3 * partSize, 3*partSize + 77} {
		f := tn.newFile("stream.bin")
		content := random(size)
		got, err := l.UploadStream(t.Context(), f.name(), io.MultiReader(bytes.NewReader(content)), &iotfile.UploadOptions{PartSize: partSize, Concurrency: 3})
		if err != nil || got.Size != int64(size) || got.Version != 0 {
			t.Fatalf("%d bytes: %+v, %v", size, got, err)
		}
		if a := f.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(a.body, content) {
			t.Errorf("%d bytes became %d others", size, len(a.body))
		}
	}
	// One that breaks leaves its parts, and the next one goes on with them.
	f := tn.newFile("broken.bin")
	content, broken := random(4*partSize+77), errors.New("broken")
	_, err := l.UploadStream(t.Context(), f.name(), io.MultiReader(bytes.NewReader(content[:2*partSize]), failingReader{broken}), &iotfile.UploadOptions{PartSize: partSize, Concurrency: 1})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	var last iotfile.Progress
	_, err = l.UploadStream(t.Context(), f.name(), bytes.NewReader(content), &iotfile.UploadOptions{PartSize: partSize, Progress: func(p iotfile.Progress) { last = p }})
	if err != nil || last.Reused != 2*partSize || last.Moved != 2*partSize+77 || last.Total != int64(len(content)) {
		t.Errorf("%+v, %v", last, err)
	}
	if a := f.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(a.body, content) {
		t.Error("what went on is not what was sent")
	}
}

// failingReader fails.
type failingReader struct{ err error }

// Read implements io.Reader.
func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// libraryReads reads files whole, from the middle, and while they are replaced.
func libraryReads(t *testing.T, tn *tenant) {
	l, f := tn.library(t, system.operator.URL), tn.newFile("read.bin")
	content := random(3*partSize + 77)
	if _, err := l.Upload(t.Context(), f.name(), bytes.NewReader(content), int64(len(content)), &iotfile.UploadOptions{PartSize: partSize}); err != nil {
		t.Fatal(err)
	}
	r, err := l.Open(t.Context(), f.name())
	check(t, err)
	defer func() { _ = r.Close() }()
	if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, content) || r.Stat().Size != int64(len(content)) {
		t.Errorf("%d bytes, %v", len(all), err)
	}
	for _, at := range []int64{0, 1, partSize, int64(len(content)) - 1, int64(len(content)), int64(len(content)) + 1} {
		_, err := r.Seek(at-int64(len(content)), io.SeekEnd)
		check(t, err)
		rest, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(rest, content[min(at, int64(len(content))):]) {
			t.Errorf("from %d: %d bytes, %v", at, len(rest), err)
		}
	}
	_, err = r.Seek(0, io.SeekStart)
	check(t, err)
	f.must(t, 204, http.MethodPut, "", []byte("other"), "If-Match", "0")
	if _, err := r.Read(make([]byte, 10)); !errors.Is(err, iotfile.ErrConflict) {
		t.Errorf("of a file that was replaced: %v", err)
	}
	check(t, r.Close())
	if _, err := r.Read(make([]byte, 10)); err == nil {
		t.Error("a closed reader reads")
	}
}

// librarySearches finds files, page by page.
func librarySearches(t *testing.T, tn *tenant) {
	l, f := tn.library(t, system.operator.URL), tn.newFile("a/1.log")
	for _, name := range []string{"a/1.log", "a/2.log", "b.txt"} {
		_, err := l.Upload(t.Context(), f.entity+"/"+name, strings.NewReader(name), int64(len(name)), nil)
		check(t, err)
	}
	find := func(options *iotfile.SearchOptions) (names []string) {
		for found, err := range l.Search(t.Context(), f.entity, options) {
			check(t, err)
			if found.Size != int64(len(found.Path)-33) || found.CreatedBy == "" || found.Created.IsZero() || found.Version != 0 {
				t.Errorf("%+v", found)
			}
			names = append(names, found.Path[33:])
		}
		return names
	}
	for _, tt := range []struct {
		options *iotfile.SearchOptions
		want    []string
	}{
		{nil, []string{"a/1.log", "a/2.log", "b.txt"}},
		{&iotfile.SearchOptions{Filter: "name eq '*.log'", Order: "name desc"}, []string{"a/2.log", "a/1.log"}},
		{&iotfile.SearchOptions{Limit: 2}, []string{"a/1.log", "a/2.log"}},
		{&iotfile.SearchOptions{Filter: "size gt 100"}, nil},
	} {
		if got := find(tt.options); !slices.Equal(got, tt.want) {
			t.Errorf("%+v finds %q", tt.options, got)
		}
	}
	for _, err := range l.Search(t.Context(), "x", nil) {
		if !errors.Is(err, iotfile.ErrInvalid) {
			t.Error(err)
		}
	}
}

// libraryErrors: what the server says is an error of its kind.
func libraryErrors(t *testing.T, tn *tenant) {
	l, f := tn.library(t, system.operator.URL), tn.newFile("x.bin")
	_, err := l.Stat(t.Context(), f.name())
	if !errors.Is(err, iotfile.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for name, err := range map[string]error{"abort": l.Abort(t.Context(), f.name(), nil), "delete": l.Delete(t.Context(), f.name(), nil)} {
		if !errors.Is(err, iotfile.ErrNotFound) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	// Somebody else's upload stays.
	f.must(t, 201, http.MethodPut, "?upload=start", nil)
	large := make([]byte, partSize+1)
	_, err = l.Upload(t.Context(), f.name(), bytes.NewReader(large), int64(len(large)), &iotfile.UploadOptions{PartSize: partSize})
	var e *iotfile.Error
	if !errors.Is(err, iotfile.ErrBusy) || !errors.As(err, &e) || e.ID == "" || e.Op != "start" {
		t.Errorf("beside another upload: %v", err)
	}
	if parts, err := l.Parts(t.Context(), f.name()); err != nil || len(parts) != 0 {
		t.Errorf("%+v, %v", parts, err)
	}
	check(t, l.Abort(t.Context(), f.name(), nil))
	f.must(t, 201, http.MethodPut, "?upload=start", nil, "Idempotency-Key", "mine")
	if err := l.Abort(t.Context(), f.name(), nil); !errors.Is(err, iotfile.ErrConflict) {
		t.Errorf("of a keyed upload: %v", err)
	}
	check(t, l.Abort(t.Context(), f.name(), &iotfile.AbortOptions{Key: "mine"}))
	other, err := iotfile.New(system.operator.URL, &iotfile.Options{Token: iotfile.StaticToken(tn.token), Namespace: "kube-system"})
	check(t, err)
	if _, err := other.Stat(t.Context(), f.name()); !errors.Is(err, iotfile.ErrForbidden) {
		t.Errorf("in another namespace: %v", err)
	}
}

// libraryResumes ends a call in the middle. The next one finds what is there, whatever part size it
// would choose, sends the rest, and takes changed bytes for what they are.
func libraryResumes(t *testing.T, tn *tenant) {
	l, f := tn.library(t, system.operator.URL), tn.newFile("resumed.bin")
	content := random(5*partSize + 77)
	interrupt := func(parts int) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := l.Upload(ctx, f.name(), bytes.NewReader(content), int64(len(content)), &iotfile.UploadOptions{
			PartSize: partSize, Concurrency: 1, Progress: func(p iotfile.Progress) {
				if p.Done >= int64(parts*partSize) {
					cancel()
				}
			},
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
	}
	interrupt(2)
	interrupt(3)
	if ops := l.ops(); slices.Index(ops, "part 1") != 2 || slices.Contains(ops[3:], "part 1") {
		t.Errorf("%q", ops)
	}
	arrived, err := l.Parts(t.Context(), f.name())
	check(t, err)
	if len(arrived) < 3 {
		t.Fatalf("%d parts are there", len(arrived))
	}
	// A byte of the second part is another one by now; size and time could be the same.
	content[partSize+5] ^= 1
	l.ops()
	var last iotfile.Progress
	got, err := l.Upload(t.Context(), f.name(), bytes.NewReader(content), int64(len(content)), &iotfile.UploadOptions{Progress: func(p iotfile.Progress) { last = p }})
	if err != nil || last.Reused != int64(len(arrived)-1)*partSize || last.Moved != int64(len(content))-last.Reused {
		t.Errorf("%+v, %+v, %v", got, last, err)
	}
	if ops := l.ops(); slices.Contains(ops, "part 1") || !slices.Contains(ops, "part 2") || slices.Contains(ops, "part 3") {
		t.Errorf("%q", ops)
	}
	if a := f.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(a.body, content) {
		t.Error("the file is not the one that was sent last")
	}
	f.noUpload(t)
}

// noUpload makes sure that nothing is open.
func (f *file) noUpload(t *testing.T) {
	t.Helper()
	f.mustAt(t, 404, http.MethodGet, f.url("fileslist", ""), nil)
}

// changing is a source that another process writes to.
type changing struct {
	mu      sync.Mutex
	content []byte
	reads   int
	// at is the read after which a byte of the first part changes.
	at int
}

// ReadAt implements io.ReaderAt.
func (c *changing) ReadAt(p []byte, offset int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reads++; c.reads == c.at {
		c.content[7] ^= 1
	}
	return bytes.NewReader(c.content).ReadAt(p, offset)
}

// libraryChanges: a source that changes while it is sent is not completed.
func libraryChanges(t *testing.T, tn *tenant) {
	l, f := tn.library(t, system.operator.URL), tn.newFile("changing.bin")
	c := &changing{content: random(2*partSize + 77), at: 2} // when the first piece of the first part was summed
	_, err := l.Upload(t.Context(), f.name(), c, int64(len(c.content)), &iotfile.UploadOptions{PartSize: partSize, Concurrency: 1})
	if !errors.Is(err, iotfile.ErrChanged) {
		t.Errorf("%v", err)
	}
	f.must(t, 404, http.MethodGet, "", nil)
	// So does a file with another time, of which each part has arrived.
	path := onDisk(t, c.content)
	source, err := os.Open(path)
	check(t, err)
	defer func() { _ = source.Close() }()
	_, err = l.Upload(t.Context(), f.name(), source, int64(len(c.content)), &iotfile.UploadOptions{PartSize: partSize, Progress: func(p iotfile.Progress) {
		if p.Done >= 2*partSize {
			_ = os.Chtimes(path, time.Now(), time.Now().Add(time.Hour))
		}
	}})
	if !errors.Is(err, iotfile.ErrChanged) {
		t.Errorf("with another time: %v", err)
	}
	if _, err := l.Upload(t.Context(), f.name(), bytes.NewReader(c.content), int64(len(c.content)), &iotfile.UploadOptions{PartSize: partSize}); err != nil {
		t.Errorf("run again: %v", err)
	}
	if a := f.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(a.body, c.content) {
		t.Error("the file is not the source as it is now")
	}
}

// libraryTwoWriters: what another process of the account has put into the upload is not completed.
func libraryTwoWriters(t *testing.T, tn *tenant) {
	l, f := tn.library(t, system.operator.URL), tn.newFile("two.bin")
	content, once := random(2*partSize+77), sync.Once{}
	_, err := l.Upload(t.Context(), f.name(), bytes.NewReader(content), int64(len(content)), &iotfile.UploadOptions{PartSize: partSize, Progress: func(p iotfile.Progress) {
		if p.Done >= 2*partSize {
			once.Do(func() { f.must(t, 201, http.MethodPut, "?part=1", random(partSize)) })
		}
	}})
	if !errors.Is(err, iotfile.ErrBusy) {
		t.Errorf("%v", err)
	}
	f.must(t, 404, http.MethodGet, "", nil)
	// With the same bytes, both have success.
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := l.Upload(t.Context(), f.name(), bytes.NewReader(content), int64(len(content)), &iotfile.UploadOptions{PartSize: partSize}); err != nil {
				t.Errorf("one of two: %v", err)
			}
		})
	}
	both.Wait()
	if a := f.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(a.body, content) {
		t.Error("two writers of the same bytes have made others")
	}
}

// libraryDownloads ends a download in the middle. The next one goes on, and believes no byte.
func libraryDownloads(t *testing.T, tn *tenant) {
	l, f := tn.library(t, system.operator.URL), tn.newFile("down.bin")
	content := random(5*partSize + 77)
	_, err := l.Upload(t.Context(), f.name(), bytes.NewReader(content), int64(len(content)), &iotfile.UploadOptions{PartSize: partSize})
	check(t, err)
	path := filepath.Join(t.TempDir(), "down.bin")
	destination, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	check(t, err)
	defer func() { _ = destination.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var state []byte
	ranges := 0
	_, err = l.Download(ctx, f.name(), destination, &iotfile.DownloadOptions{PartSize: mib, Concurrency: 2, Checkpoint: func(now []byte) {
		if state, ranges = now, ranges+1; ranges == 10 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	_, err = destination.WriteAt([]byte("damaged"), 0)
	check(t, err)
	var last iotfile.Progress
	got, err := l.Download(t.Context(), f.name(), destination, &iotfile.DownloadOptions{Resume: state, Progress: func(p iotfile.Progress) { last = p }})
	if err != nil || got.Size != int64(len(content)) || last.Done != got.Size || last.Reused < 8*mib || last.Reused > 11*mib || last.Moved != got.Size-last.Reused {
		t.Errorf("%+v, %+v, %v", got, last, err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(data, content) {
		t.Errorf("%d bytes are not those of the file (%v)", len(data), err)
	}
	// Of another version nothing is kept.
	f.must(t, 204, http.MethodPut, "", content[:mib], "If-Match", "0")
	got, err = l.Download(t.Context(), f.name(), destination, &iotfile.DownloadOptions{Resume: state, Progress: func(p iotfile.Progress) { last = p }})
	if err != nil || got.Version != 1 || last.Reused != 0 {
		t.Errorf("%+v, %+v, %v", got, last, err)
	}
}

// TestLibraryExamples runs the examples of the Go client's documentation, and compares what they
// print.
func TestLibraryExamples(t *testing.T) {
	root, err := devcluster.ModuleRoot()
	check(t, err)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		token := filepath.Join(t.TempDir(), "token")
		check(t, os.WriteFile(token, []byte(tn.token), 0o600))
		cmd := exec.CommandContext(t.Context(), "go", "test", "-trimpath", "-count=1", "-v", "-run=^Example", ".")
		cmd.Dir = filepath.Join(root, "client")
		cmd.Env = append(os.Environ(), "IOTFILE_URL="+system.operator.URL+"/namespaces/"+tn.namespace, "IOTFILE_TOKEN_FILE="+token, "PWD="+cmd.Dir)
		out, err := cmd.CombinedOutput()
		if err != nil || bytes.Count(out, []byte("--- PASS: Example")) < 7 {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
