package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	mathrand "math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Backend is a Store under test, and the backend behind it.
type Backend struct {
	// Name is its column in the table.
	Name string
	// Store is what is tested, in the best payload mode. The suite does not close it.
	Store filestore.Store
	// Prefix of all keys that the suite makes, ending with a slash; the suite puts a random segment
	// behind it.
	Prefix string
	// Traits declare what is observed.
	Traits Traits
	// Unknown: nothing is known of the backend but what Traits say, so other observations only go
	// into the table.
	Unknown bool
	// Address of the backend, "host:port"; empty where there is no network, and what needs one is
	// left out.
	Address string
	// Reach makes another Store of the same bucket that connects to addr instead, in a payload
	// mode. It closes it after the test.
	Reach func(t *testing.T, addr string, mode v1alpha1.PayloadMode) filestore.Store
	// Restart ends the backend's process and starts another on the same data; nil where that makes
	// no sense.
	Restart func(t *testing.T)
}

const (
	// minPart is S3's least size of all parts but the last.
	minPart = 5 << 20
	// quiet is how long a backend is watched for something that must not happen. Too short a time
	// can hide a fault, not make one.
	quiet = 300 * time.Millisecond
	// beyondBuffers is more than the sockets between a backend and a reader hold: 32 MiB and some
	// where tcp_rmem is generous.
	beyondBuffers = 64 << 20
	// timeout bounds waiting for something that must happen.
	timeout = 30 * time.Second
)

type suite struct {
	Backend
	table *Table
	seq   atomic.Int64
}

// Run tests the Store that newBackend makes against every promise of package filestore. The
// observations go into table.
func Run(t *testing.T, table *Table, newBackend func(t *testing.T) Backend) {
	s := newSuite(t, table, newBackend)
	for _, group := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"Parts", (*suite).parts},
		{"CutBodies", (*suite).cutBodies},
		{"Network", (*suite).network},
		{"Complete", (*suite).complete},
		{"Abort", (*suite).abort},
		{"Objects", (*suite).objects},
		{"Keys", (*suite).keys},
		{"PutObject", (*suite).puts},
		{"DeleteObject", (*suite).deletes},
		{"ListObjects", (*suite).listObjects},
		{"ListUploads", (*suite).listUploads},
		{"Probe", (*suite).probe},
		{"Claim", (*suite).claim},
		{"Restart", (*suite).restart}, // last: what follows would have to reconnect
	} {
		t.Run(group.name, func(t *testing.T) { group.run(s, t) })
	}
}

func newSuite(t *testing.T, table *Table, newBackend func(t *testing.T) Backend) *suite {
	b := newBackend(t)
	b.Prefix += rand.Text()[:8] + "/"
	return &suite{Backend: b, table: table}
}

// observe notes what the backend does, and fails unless its Traits declare just that.
func (s *suite) observe(t *testing.T, b Behaviour, observed string) {
	t.Helper()
	s.table.set(s.Name, b, observed)
	declared, ok := s.Traits[b]
	if !ok && s.Unknown {
		return
	}
	if !ok || declared != observed {
		t.Errorf("%s: %s: observed %q, declared %q", s.Name, b, observed, declared)
	}
}

// key makes a key that nobody else has.
func (s *suite) key() string {
	return fmt.Sprintf("%skey-%d", s.Prefix, s.seq.Add(1))
}

// open opens an upload, and aborts it at the end of the test.
func (s *suite) open(t *testing.T, key string) filestore.UploadRef {
	t.Helper()
	return s.openWith(t, key, filestore.CreateUploadOptions{ContentType: "application/octet-stream"})
}

// contentHeaders are those that a file may be stored with.
var contentHeaders = filestore.ContentHeaders{
	ContentEncoding: "gzip", ContentLanguage: "de, en", ContentDisposition: `attachment; filename="50% x.bin"`, CacheControl: "private, max-age=60",
}

func (s *suite) openWith(t *testing.T, key string, opts filestore.CreateUploadOptions) filestore.UploadRef {
	t.Helper()
	id, err := s.Store.CreateUpload(t.Context(), key, opts)
	if err != nil {
		t.Fatalf("CreateUpload(%q): %v", key, err)
	}
	ref := filestore.UploadRef{Key: key, UploadID: id}
	t.Cleanup(func() {
		if err := s.Store.AbortUpload(context.WithoutCancel(t.Context()), ref); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return ref
}

// put stores a part that must be taken.
func (s *suite) put(t *testing.T, ref filestore.UploadRef, number int32, content []byte) filestore.Part {
	t.Helper()
	p, err := s.Store.PutPart(t.Context(), ref, number, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatalf("PutPart(%d, %d bytes): %v", number, len(content), err)
	}
	if p.Number != number || p.Size != int64(len(content)) || p.ETag == "" || !p.Modified.IsZero() {
		t.Fatalf("PutPart(%d, %d bytes) = %+v", number, len(content), p)
	}
	return p
}

func (s *suite) list(t *testing.T, ref filestore.UploadRef) []filestore.Part {
	t.Helper()
	parts, err := s.Store.ListParts(t.Context(), ref)
	if err != nil {
		t.Fatalf("ListParts: %v", err)
	}
	return parts
}

// finish completes an upload with all of its parts, which must succeed. Where the answer lacks the
// ETag of the object, a look at it gives that.
func (s *suite) finish(t *testing.T, ref filestore.UploadRef, cond filestore.Condition) filestore.Object {
	t.Helper()
	if s.Traits[ConditionalComplete] == "false" {
		cond = filestore.Condition{} // what is not compared is not sent
	}
	parts := s.list(t, ref)
	o, err := s.Store.CompleteUpload(t.Context(), ref, parts, cond)
	_, answered := filestore.Answered(err)
	if err == nil && o.ETag != "" {
		return o
	}
	// Whoever gets no answer that can be read looks at the object.
	stat, statErr := s.Store.Stat(t.Context(), ref.Key)
	if answered || filestore.Terminal(err) || statErr != nil {
		t.Fatalf("CompleteUpload(%+v): %v, %v", cond, err, statErr)
	}
	o = filestore.Object{Key: ref.Key, ETag: stat.ETag, Checksum: stat.Checksum}
	for _, p := range parts {
		o.Size += p.Size
	}
	return o
}

// needs leaves a test out that makes no sense on a backend that is declared not to have a trait.
func (s *suite) needs(t *testing.T, capabilities ...Behaviour) {
	t.Helper()
	for _, c := range capabilities {
		if s.Traits[c] == "false" {
			t.Skipf("%s: false", c)
		}
	}
}

// absent is the condition of an object that is not to be there yet, as far as the backend takes
// one.
func (s *suite) absent() filestore.Condition {
	return filestore.Condition{Absent: s.Traits[ConditionalCreate] != "false"}
}

// needsChecksums leaves out a test where no checksum goes with the bytes, as Protected says there.
func (s *suite) needsChecksums(t *testing.T) {
	t.Helper()
	if s.Traits[PayloadMode] == string(v1alpha1.PayloadUnsigned) {
		t.Skip("no checksum goes with the bytes")
	}
}

// store makes an object of one part.
func (s *suite) store(t *testing.T, key string, content []byte, cond filestore.Condition) filestore.Object {
	t.Helper()
	ref := s.open(t, key)
	s.put(t, ref, 1, content)
	return s.finish(t, ref, cond)
}

// read reads a whole object.
func (s *suite) read(t *testing.T, key string) []byte {
	t.Helper()
	r, err := s.Store.Open(t.Context(), filestore.Object{Key: key}, filestore.ByteRange{Length: -1})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	return content
}

// wantObject fails unless the object has this content.
func (s *suite) wantObject(t *testing.T, key string, want []byte) {
	t.Helper()
	if got := s.read(t, key); !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes that are not the %d that were stored", key, len(got), len(want))
	}
}

// wantParts fails unless the upload has, and keeps for a while, exactly these parts.
func (s *suite) wantParts(t *testing.T, ref filestore.UploadRef, want ...filestore.Part) {
	t.Helper()
	for deadline := time.Now().Add(quiet); ; time.Sleep(quiet / 5) {
		got := s.list(t, ref)
		same := len(got) == len(want)
		for i := 0; same && i < len(got); i++ {
			same = got[i].Number == want[i].Number && got[i].Size == want[i].Size && got[i].ETag == want[i].ETag
		}
		if !same {
			t.Errorf("the upload has parts %v, want %v", got, want)
			return
		}
		if s.Address == "" || time.Now().After(deadline) { // what has no network has no news that can be late
			return
		}
	}
}

// wantErr fails unless err is of this kind, and says so in a way that callers can use.
func wantErr(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got error %v, want one of kind %q", err, kind)
	}
}

// random gives bytes that do not compress and are the same for the same seed.
func random(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	_, _ = mathrand.NewChaCha8(key).Read(b)
	return b
}

var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

func crc64nvme(content []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64.Checksum(content, nvme)))
}

// kindOf names the kind of an error for the table.
func kindOf(err error) string {
	if err == nil {
		return "OK"
	}
	for _, k := range []struct {
		kind error
		name string
	}{
		{filestore.ErrNoSuchUpload, "NoSuchUpload"},
		{filestore.ErrPrecondition, "Precondition"},
		{filestore.ErrInvalidParts, "InvalidParts"},
		{filestore.ErrInvalidKey, "InvalidKey"},
		{filestore.ErrNotFound, "NotFound"},
		{filestore.ErrPartSize, "PartSize"},
		{filestore.ErrChecksum, "Checksum"},
		{filestore.ErrIncompleteBody, "IncompleteBody"},
		{filestore.ErrAccessDenied, "AccessDenied"},
		{filestore.ErrRejected, "Rejected"},
		{filestore.ErrBusy, "Busy"},
		{filestore.ErrUnavailable, "Unavailable"},
	} {
		if errors.Is(err, k.kind) {
			return k.name
		}
	}
	return err.Error()
}
