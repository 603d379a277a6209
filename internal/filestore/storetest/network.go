package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// network tests what happens when the network fails between the Store and its backend.
func (s *suite) network(t *testing.T) {
	if s.Reach == nil {
		t.Skip("no network")
	}
	t.Run("ConnectionCutWhileSending", s.cutSending)
	t.Run("ConnectionCutBeforeTheAnswer", s.cutBeforeAnswer)
	t.Run("BitFlipped", s.bitFlipped)
	t.Run("ConnectionCutWhileReceiving", s.cutReceiving)
	t.Run("IdleConnectionCut", s.cutIdle)
	t.Run("NobodyListens", s.nobodyListens)
	t.Run("Silence", s.silence)
}

// through makes a Store behind a proxy with a fault. It has connected to nothing yet, so the first
// of its calls meets the fault.
func (s *suite) through(t *testing.T, fault tcpfault.Fault) (filestore.Store, *tcpfault.Proxy) {
	p := testkit.FaultyTCP(t, s.Address)
	p.Add("fault", fault)
	return s.Reach(t, p.Addr(), s.mode(t)), p
}

// Faults of each connection to the backend, after so many bytes of it.
func cutUpstream(after int64) tcpfault.Fault {
	return tcpfault.Fault{Kind: tcpfault.Cut, Towards: tcpfault.Upstream, Bytes: after}
}

func cutDownstream(after int64) tcpfault.Fault {
	return tcpfault.Fault{Kind: tcpfault.Cut, Towards: tcpfault.Downstream, Bytes: after}
}

func flip(at int64) tcpfault.Fault {
	return tcpfault.Fault{Kind: tcpfault.Flip, Towards: tcpfault.Upstream, Bytes: at}
}

func (s *suite) cutSending(t *testing.T) {
	const size = 3 << 20
	ref := s.open(t, s.key())
	kept := s.put(t, ref, 1, random(20, 80_000))
	for _, after := range []int64{600, 5000, 300_000, 1 << 20, size - 1000, size} {
		for _, number := range []int32{1, 2} {
			store, _ := s.through(t, cutUpstream(after))
			_, err := store.PutPart(t.Context(), ref, number, bytes.NewReader(random(21, size)), size)
			if !errors.Is(err, filestore.ErrIncompleteBody) { // the backend may find the time to say so
				wantErr(t, err, filestore.ErrUnavailable)
			}
		}
	}
	s.wantParts(t, ref, kept)
}

// cutBeforeAnswer: the part may or may not have been stored; whichever, it is whole.
func (s *suite) cutBeforeAnswer(t *testing.T) {
	store, _ := s.through(t, cutDownstream(1))
	ref := s.open(t, s.key())
	content := random(22, 200_000)
	_, err := store.PutPart(t.Context(), ref, 1, bytes.NewReader(content), int64(len(content)))
	wantErr(t, err, filestore.ErrUnavailable)
	if parts := s.list(t, ref); len(parts) == 1 {
		s.finish(t, ref, filestore.Condition{})
		s.wantObject(t, ref.Key, content)
	} else if len(parts) > 1 {
		t.Errorf("one part became %v", parts)
	}
}

func (s *suite) bitFlipped(t *testing.T) {
	s.needsChecksums(t)
	ref := s.open(t, s.key())
	kept := s.put(t, ref, 1, random(23, 80_000))
	for _, number := range []int32{1, 2} {
		store, _ := s.through(t, flip(100_000))
		_, err := store.PutPart(t.Context(), ref, number, bytes.NewReader(random(24, 200_000)), 200_000)
		wantErr(t, err, filestore.ErrChecksum)
	}
	s.wantParts(t, ref, kept)
}

func (s *suite) cutReceiving(t *testing.T) {
	key := s.key()
	content := random(25, 3<<20)
	s.store(t, key, content, filestore.Condition{})
	for _, after := range []int64{2000, 1 << 20, 3 << 20} {
		store, _ := s.through(t, cutDownstream(after))
		r, err := store.Open(t.Context(), filestore.Object{Key: key}, filestore.ByteRange{Length: -1})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		wantErr(t, err, io.ErrUnexpectedEOF)
		wantErr(t, err, filestore.ErrUnavailable)
		if !bytes.HasPrefix(content, got) {
			t.Errorf("%d bytes before the cut are not those of the object", len(got))
		}
		_ = r.Close()
	}
}

// cutIdle: a connection that the backend has closed while it was idle does not cost a part.
func (s *suite) cutIdle(t *testing.T) {
	store, proxy := s.through(t, tcpfault.Fault{})
	ref := s.open(t, s.key())
	for number := int32(1); number <= 20; number++ {
		if _, err := store.PutPart(t.Context(), ref, number, bytes.NewReader(random(26, 9000)), 9000); err != nil {
			t.Errorf("PutPart(%d): %v", number, err)
		}
		proxy.CutAll()
		time.Sleep(10 * time.Millisecond) // for the news to arrive: without it, any client can lose a part
	}
}

func (s *suite) nobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	store := s.Reach(t, addr, s.mode(t))
	for name, err := range callAll(t.Context(), store, filestore.UploadRef{Key: s.key(), UploadID: "x"}) {
		if !errors.Is(err, filestore.ErrUnavailable) || !filestore.Retryable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// silence: a backend that never answers holds a call until its context ends.
func (s *suite) silence(t *testing.T) {
	store, _ := s.through(t, tcpfault.Fault{Kind: tcpfault.Silence, Towards: tcpfault.Upstream})
	ctx, cancel := context.WithTimeout(t.Context(), quiet)
	defer cancel()
	for name, err := range callAll(ctx, store, filestore.UploadRef{Key: s.key(), UploadID: "x"}) {
		if !errors.Is(err, filestore.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline, %s: %v", name, err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(quiet, cancel).Stop()
	for name, err := range callAll(canceled, store, filestore.UploadRef{Key: s.key(), UploadID: "x"}) {
		if !errors.Is(err, context.Canceled) || errors.Is(err, filestore.ErrUnavailable) {
			t.Errorf("cancelled, %s: %v", name, err)
		}
	}
}

// callAll calls every method once.
func callAll(ctx context.Context, store filestore.Store, ref filestore.UploadRef) map[string]error {
	result := map[string]error{}
	_, result["CreateUpload"] = store.CreateUpload(ctx, ref.Key, filestore.CreateUploadOptions{})
	_, result["PutPart"] = store.PutPart(ctx, ref, 1, bytes.NewReader(make([]byte, 100_000)), 100_000)
	_, result["ListParts"] = store.ListParts(ctx, ref)
	_, result["CompleteUpload"] = store.CompleteUpload(ctx, ref, []filestore.Part{{Number: 1, ETag: "x"}}, filestore.Condition{})
	result["AbortUpload"] = store.AbortUpload(ctx, ref)
	result["ListUploads"] = store.ListUploads(ctx, ref.Key, func(filestore.Upload) bool { return true })
	_, result["Stat"] = store.Stat(ctx, ref.Key)
	_, result["Open"] = store.Open(ctx, filestore.Object{Key: ref.Key}, filestore.ByteRange{Length: -1})
	_, result["PutObject"] = store.PutObject(ctx, ref.Key, bytes.NewReader(make([]byte, 100_000)), 100_000, filestore.CreateUploadOptions{}, filestore.Condition{})
	result["DeleteObject"] = store.DeleteObject(ctx, ref.Key)
	result["ListObjects"] = store.ListObjects(ctx, ref.Key, "", func(filestore.Object) bool { return true })
	_, result["Probe"] = store.Probe(ctx)
	return result
}
