package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

const (
	// defaultRaces of each kind are few enough for every run of the tests.
	defaultRaces = 40
	racers       = 4
	// raceBytes is more than one write to the disk of a backend, so that two contents could mix.
	raceBytes = 80_000
)

// RaceCount is what became of many races.
type RaceCount struct {
	// Races is how many there were.
	Races int
	// Winners and Losers are the writers that succeeded, and those that were told that the
	// condition does not hold.
	Winners, Losers int
	// Unknown is how many writers were told that the outcome is unknown.
	Unknown int
	// Mixed is how many objects were not, in content, ETag and metadata, what exactly one of the
	// writers had sent.
	Mixed int
	// Lost is how many objects were not the winner's.
	Lost int
}

// String is a line for the log.
func (c RaceCount) String() string {
	return fmt.Sprintf("%d races of %d: %d winners, %d losers, %d unknown, %d mixed contents, %d winners overwritten", c.Races, racers, c.Winners, c.Losers, c.Unknown, c.Mixed, c.Lost)
}

// RunRaces lets writers race for one key under one condition, with CompleteUpload, with PutObject
// and with both. Of each race exactly one must win, and the object must be its own. IOTFILE_RACES
// is how many races of each kind there are.
func RunRaces(t *testing.T, newBackend func(t *testing.T) Backend) {
	races := raceCount(t)
	s := newSuite(t, NewTable(), newBackend)
	for _, kind := range []struct {
		name  string
		puts  func(racer int) bool
		needs []Behaviour
	}{
		{"CompleteUpload", func(int) bool { return false }, []Behaviour{ConditionalComplete}},
		{"PutObject", func(int) bool { return true }, []Behaviour{ConditionalPut, ConditionalCreate}},
		{"Both", func(racer int) bool { return racer%2 == 0 }, []Behaviour{ConditionalComplete, ConditionalPut, ConditionalCreate}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			s.needs(t, kind.needs...)
			count := s.runRaces(t, races, kind.puts)
			t.Logf("%s, %s: %s", s.Name, kind.name, count)
			if count.Winners != races || count.Losers != races*(racers-1) || count.Unknown+count.Mixed+count.Lost > 0 {
				t.Errorf("want %d winners, %d losers, and nothing else", races, races*(racers-1))
			}
		})
	}
}

func raceCount(t *testing.T) int {
	t.Helper()
	text := os.Getenv("IOTFILE_RACES")
	if text == "" {
		return defaultRaces
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("IOTFILE_RACES=%q is not a number of races", text)
	}
	return n
}

// runRaces runs races for new keys and for updates in turn.
func (s *suite) runRaces(t *testing.T, races int, puts func(racer int) bool) (count RaceCount) {
	key, etag := "", ""
	for n := range races {
		cond := filestore.Condition{ETag: etag}
		if n%2 == 0 {
			key, cond = s.key(), filestore.Condition{Absent: true}
		}
		r := &raceForKey{suite: s, key: key, cond: cond}
		for i := range r.writers {
			r.writers[i] = r.enter(t, i, n, puts(i))
		}
		r.run(t)
		etag = r.judge(t, &count)
		count.Races++
		if count.Unknown+count.Mixed+count.Lost > 50 {
			return count // that is enough to see
		}
	}
	return count
}

// raceForKey is one race.
type raceForKey struct {
	*suite
	key     string
	cond    filestore.Condition
	writers [racers]*writer
}

// writer is one of those that race.
type writer struct {
	opts    filestore.CreateUploadOptions
	content []byte
	ref     filestore.UploadRef // of one that completes an upload
	parts   []filestore.Part
	won     filestore.Object
	err     error
}

// enter prepares all that a writer can do before the race.
func (r *raceForKey) enter(t *testing.T, racer, race int, put bool) *writer {
	t.Helper()
	mark := fmt.Sprintf("race %d of racer %d; ", race, racer)
	w := &writer{
		opts:    filestore.CreateUploadOptions{ContentType: "text/plain", Metadata: map[string]string{"racer": mark + "end"}},
		content: bytes.Repeat([]byte(mark), raceBytes/len(mark)+racer), // different lengths show as well
	}
	if put {
		return w
	}
	id, err := r.Store.CreateUpload(t.Context(), r.key, w.opts)
	if err != nil {
		t.Fatal(err)
	}
	w.ref = filestore.UploadRef{Key: r.key, UploadID: id}
	w.parts = []filestore.Part{r.put(t, w.ref, 1, w.content)}
	return w
}

// run starts all writers at about the same time: not always the same one first, and sometimes a
// little apart, so that they meet at different points within the backend.
func (r *raceForKey) run(t *testing.T) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, i := range rand.Perm(racers) {
		w, pause := r.writers[i], time.Duration(rand.IntN(3))*time.Duration(rand.IntN(2000))*time.Microsecond
		wg.Go(func() {
			<-start
			time.Sleep(pause)
			if w.ref.UploadID == "" {
				w.won, w.err = r.Store.PutObject(t.Context(), r.key, bytes.NewReader(w.content), int64(len(w.content)), w.opts, r.cond)
			} else {
				w.won, w.err = r.Store.CompleteUpload(t.Context(), w.ref, w.parts, r.cond)
			}
		})
	}
	close(start)
	wg.Wait()
}

// judge counts the outcome, and gives the ETag of the object.
func (r *raceForKey) judge(t *testing.T, count *RaceCount) (etag string) {
	t.Helper()
	content := r.read(t, r.key)
	stat, err := r.Store.Stat(t.Context(), r.key)
	if err != nil {
		t.Fatal(err)
	}
	winners, mixed := 0, true
	for i, w := range r.writers {
		whole := bytes.Equal(content, w.content) && stat.Size == int64(len(w.content)) && stat.Metadata["racer"] == w.opts.Metadata["racer"]
		if whole {
			mixed = false
		}
		switch {
		case w.err == nil:
			winners++
			if !whole || stat.ETag != w.won.ETag {
				count.Lost++
				t.Errorf("%s, %+v: %d won with ETag %s; the object has ETag %s and is of %q", r.key, r.cond, i, w.won.ETag, stat.ETag, stat.Metadata["racer"])
			}
		case errors.Is(w.err, filestore.ErrPrecondition):
			count.Losers++
		default:
			count.Unknown++
			t.Errorf("%s, %+v: %d: %v", r.key, r.cond, i, w.err)
		}
		if w.ref.UploadID != "" {
			if err := r.Store.AbortUpload(t.Context(), w.ref); err != nil {
				t.Errorf("AbortUpload: %v", err)
			}
		}
	}
	count.Winners += winners
	if mixed {
		count.Mixed++
		t.Errorf("%s: the object of %d bytes, %q…, metadata %v, is none of those that were sent", r.key, len(content), strings.SplitAfter(string(content[:min(len(content), 40)]), ";")[0], stat.Metadata)
	}
	if winners != 1 {
		t.Errorf("%s, %+v: %d have won", r.key, r.cond, winners)
	}
	return stat.ETag
}
