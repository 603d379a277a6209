package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// lookers is how many look at an object while it is replaced again and again.
const lookers = 3

// LookCount is what was seen of an object while it was replaced.
type LookCount struct {
	// Versions is how often the object was replaced.
	Versions int
	// Stats, Settled and Opens are how many looks of each kind there were; TornStats, TornSettled
	// and TornOpens how many of them mixed two versions.
	Stats, TornStats, Settled, TornSettled, Opens, TornOpens int
	// Replaced is how often Open or StatSettled said that the object was replaced meanwhile, Failed
	// how often the backend failed instead (Ceph): look again.
	Replaced, Failed int
}

// String is a line for the log.
func (c LookCount) String() string {
	return fmt.Sprintf("%d versions: %d of %d looks torn, %d of %d looks torn of those read again, %d of %d reads torn, %d times told that the object was replaced, %d failures",
		c.Versions, c.TornStats, c.Stats, c.TornSettled, c.Settled, c.TornOpens, c.Opens, c.Replaced, c.Failed)
}

// RunLooks looks at an object while it is replaced, by PutObject and CompleteUpload in turn. What
// Stat gives may mix two versions, where a backend is like that; what StatSettled and Open give
// must not. IOTFILE_RACES is how often the object is replaced.
func RunLooks(t *testing.T, newBackend func(t *testing.T) Backend) {
	s := newSuite(t, NewTable(), newBackend)
	l := &looks{suite: s, key: s.key(), etags: map[string]int{}, done: make(chan struct{})}
	l.replace(t, 0)
	var group sync.WaitGroup
	for i := range lookers {
		group.Go(func() { l.look(t, i) })
	}
	versions := raceCount(t)
	for version := 1; version <= versions && !t.Failed(); version++ {
		l.replace(t, version)
	}
	close(l.done)
	group.Wait()
	for _, judge := range l.seen {
		judge()
	}
	l.count.Versions = versions
	t.Logf("%s: %s", s.Name, l.count)
	if l.count.TornSettled+l.count.TornOpens > 0 {
		t.Error("versions were mixed")
	}
}

// looks is an object that is replaced, and those who look at it.
type looks struct {
	*suite
	key  string
	done chan struct{}

	mu    sync.Mutex
	etags map[string]int // the version that has this ETag
	seen  []func()       // to be judged when the ETags of all versions are known
	count LookCount
}

// contentOf has the same length for every version, as the last of the traits by which versions
// could be told apart.
func contentOf(version int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%07d ", version), 64)
}

// replace makes a version of the object.
func (l *looks) replace(t *testing.T, version int) {
	t.Helper()
	content := contentOf(version)
	opts := filestore.CreateUploadOptions{ContentType: "text/x-" + strconv.Itoa(version), Metadata: map[string]string{"version": strconv.Itoa(version)}}
	var o filestore.Object
	if version%4 == 3 {
		ref := l.openWith(t, l.key, opts)
		l.put(t, ref, 1, content)
		o = l.finish(t, ref, filestore.Condition{})
	} else {
		var err error
		if o, err = l.Store.PutObject(t.Context(), l.key, bytes.NewReader(content), int64(len(content)), opts, filestore.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.etags[o.ETag] = version
}

func (l *looks) look(t *testing.T, looker int) {
	for {
		select {
		case <-l.done:
			return
		default:
		}
		var err error
		if looker == 0 {
			err = l.read(t.Context())
		} else {
			err = l.stat(t.Context())
		}
		switch _, answered := filestore.Answered(err); {
		case err == nil, errors.Is(err, filestore.ErrPrecondition):
		case answered && errors.Is(err, filestore.ErrUnavailable):
			l.later(func() { l.count.Failed++ })
		default:
			t.Error(err)
			return
		}
	}
}

// versionOf is what the metadata says.
func versionOf(o filestore.Object) string { return o.Metadata["version"] }

// torn reports whether o mixes versions. The caller holds mu, and all versions are known.
func (l *looks) torn(o filestore.Object) bool {
	version := versionOf(o)
	return strconv.Itoa(l.etags[o.ETag]) != version || o.ContentType != "text/x-"+version
}

// later notes what was seen. It is judged when all versions are known.
func (l *looks) later(judge func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, judge)
}

// stat looks, and reads again what it has seen.
func (l *looks) stat(ctx context.Context) error {
	first, err := l.Store.Stat(ctx, l.key)
	if err != nil {
		return err
	}
	l.later(func() { l.count.Stats++; l.count.TornStats += one(l.torn(first)) })
	settled, err := filestore.StatSettled(ctx, l.Store.Stat, first)
	if err != nil {
		l.later(func() { l.count.Replaced++ })
		return err
	}
	l.later(func() { l.count.Settled++; l.count.TornSettled += one(l.torn(settled)) })
	return nil
}

// read reads what a look has shown, as a download does.
func (l *looks) read(ctx context.Context) error {
	seen, err := l.Store.Stat(ctx, l.key)
	if err != nil {
		return err
	}
	body, err := l.Store.Open(ctx, seen, filestore.ByteRange{Length: seen.Size})
	if err != nil {
		l.later(func() { l.count.Replaced++ })
		return err
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	got, _, _ := strings.Cut(string(content), " ")
	l.later(func() {
		l.count.Opens++
		l.count.TornOpens += one(l.torn(seen) || strings.TrimLeft(got, "0") != strings.TrimLeft(versionOf(seen), "0"))
	})
	return nil
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
