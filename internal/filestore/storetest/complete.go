package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func (s *suite) complete(t *testing.T) {
	t.Run("Conditions", s.conditions)
	t.Run("ConditionWhenTheObjectIsGone", s.conditionGone)
	t.Run("RacingCreates", s.racingCreates)
	t.Run("RacingUpdates", s.racingUpdates)
	t.Run("SameBytes", s.sameBytes)
	t.Run("InvalidParts", s.invalidParts)
	t.Run("SomeOfTheParts", s.someParts)
	t.Run("Again", s.again)
	t.Run("AtOnce", s.atOnce)
	t.Run("Ended", s.ended)
	t.Run("PartInFlight", s.partDuringComplete)
	t.Run("WholeOrNotAtAll", s.wholeOrNothing)
}

func (s *suite) conditions(t *testing.T) {
	s.needs(t, ConditionalComplete)
	key := s.key()
	v0, v1 := []byte("version 0"), []byte("version 1, which is longer")
	first := s.store(t, key, v0, filestore.Condition{Absent: true})

	ref := s.open(t, key)
	s.put(t, ref, 1, v1)
	parts := s.list(t, ref)
	for _, cond := range []filestore.Condition{{Absent: true}, {ETag: "d41d8cd98f00b204e9800998ecf8427e"}} {
		_, err := s.Store.CompleteUpload(t.Context(), ref, parts, cond)
		wantErr(t, err, filestore.ErrPrecondition)
		s.wantObject(t, key, v0)
		s.wantParts(t, ref, parts...) // the upload stays usable
	}
	second := s.finish(t, ref, filestore.Condition{ETag: first.ETag})
	s.wantObject(t, key, v1)
	if second.ETag == first.ETag {
		t.Errorf("two contents have the ETag %s", first.ETag)
	}
	s.store(t, key, v0, filestore.Condition{}) // no condition, no question
	s.wantObject(t, key, v0)
}

func (s *suite) conditionGone(t *testing.T) {
	s.needs(t, ConditionalComplete)
	ref := s.open(t, s.key())
	s.put(t, ref, 1, []byte("x"))
	parts := s.list(t, ref)
	_, err := s.Store.CompleteUpload(t.Context(), ref, parts, filestore.Condition{ETag: "d41d8cd98f00b204e9800998ecf8427e"})
	wantErr(t, err, filestore.ErrPrecondition)
	s.wantParts(t, ref, parts...)
	s.finish(t, ref, filestore.Condition{Absent: true})
}

func (s *suite) racingCreates(t *testing.T) {
	s.needs(t, ConditionalComplete)
	for range 10 {
		s.race(t, s.key(), filestore.Condition{Absent: true})
	}
}

func (s *suite) racingUpdates(t *testing.T) {
	s.needs(t, ConditionalComplete)
	key := s.key()
	etag := s.store(t, key, []byte("before"), filestore.Condition{Absent: true}).ETag
	for range 10 {
		etag = s.race(t, key, filestore.Condition{ETag: etag})
	}
}

// race completes several uploads of one key at once, under one condition: exactly one wins, and the
// object is its own.
func (s *suite) race(t *testing.T, key string, cond filestore.Condition) (etag string) {
	t.Helper()
	const racers = 4
	var refs [racers]filestore.UploadRef
	var parts [racers][]filestore.Part
	var contents [racers][]byte
	number := s.seq.Add(1)
	for i := range racers {
		contents[i] = fmt.Appendf(nil, "race %d, racer %d", number, i)
		refs[i] = s.open(t, key)
		s.put(t, refs[i], 1, contents[i])
		parts[i] = s.list(t, refs[i])
	}
	var errs [racers]error
	var won [racers]filestore.Object
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { won[i], errs[i] = s.Store.CompleteUpload(t.Context(), refs[i], parts[i], cond) })
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("%d and %d have both won", winner, i)
		case err == nil:
			winner = i
		default:
			wantErr(t, err, filestore.ErrPrecondition)
		}
	}
	if winner < 0 {
		t.Fatalf("nobody has won: %v", errs)
	}
	s.wantObject(t, key, contents[winner])
	return won[winner].ETag
}

// sameBytes: an ETag is no version. Two versions of the same bytes cannot be told apart by it.
func (s *suite) sameBytes(t *testing.T) {
	key := s.key()
	first := s.store(t, key, []byte("the same bytes"), filestore.Condition{Absent: true})
	second := s.store(t, key, []byte("the same bytes"), filestore.Condition{ETag: first.ETag})
	observed := "another ETag"
	if first.ETag == second.ETag {
		observed = "the same ETag: If-Match does not tell them apart"
	}
	s.observe(t, SameBytesSameETag, observed)
}

func (s *suite) invalidParts(t *testing.T) {
	ref := s.open(t, s.key())
	a, b := random(40, minPart), random(41, minPart)
	s.put(t, ref, 1, a)
	s.put(t, ref, 2, b)
	good := s.list(t, ref)
	missing := filestore.Part{Number: 3, ETag: good[1].ETag, Size: good[1].Size, Checksum: good[1].Checksum}
	wrong := good[1]
	wrong.ETag = "0123456789abcdef0123456789abcdef"
	for name, parts := range map[string][]filestore.Part{
		"none":         nil,
		"missing":      {good[0], good[1], missing},
		"wrong ETag":   {good[0], wrong},
		"out of order": {good[1], good[0]},
		"twice":        {good[0], good[0]},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Store.CompleteUpload(t.Context(), ref, parts, filestore.Condition{})
			wantErr(t, err, filestore.ErrInvalidParts)
			s.wantParts(t, ref, good...)
		})
	}
	s.finish(t, ref, filestore.Condition{})
	s.wantObject(t, ref.Key, append(a, b...))

	small := s.open(t, s.key())
	s.put(t, small, 1, []byte("too small"))
	s.put(t, small, 2, []byte("end"))
	_, err := s.Store.CompleteUpload(t.Context(), small, s.list(t, small), filestore.Condition{})
	s.observe(t, SmallPartInTheMiddle, kindOf(err))
	if err != nil {
		s.put(t, small, 1, a) // the upload stays usable
		s.sendAgain(t, small, 1, a)
		s.finish(t, small, filestore.Condition{})
		s.wantObject(t, small.Key, append(a, "end"...))
	}

	gap := s.open(t, s.key())
	s.put(t, gap, 2, a)
	s.put(t, gap, 7, []byte("end"))
	_, err = s.Store.CompleteUpload(t.Context(), gap, s.list(t, gap), filestore.Condition{})
	s.observe(t, GapInNumbers, kindOf(err))
}

// someParts: the object has the parts that were named, and no others.
func (s *suite) someParts(t *testing.T) {
	ref := s.open(t, s.key())
	first := s.put(t, ref, 1, []byte("one"))
	s.put(t, ref, 2, []byte("two"))
	_, err := s.Store.CompleteUpload(t.Context(), ref, []filestore.Part{first}, filestore.Condition{})
	s.observe(t, SomeParts, kindOf(err))
	if err == nil {
		s.wantObject(t, ref.Key, []byte("one"))
	}
}

func (s *suite) again(t *testing.T) {
	for behaviour, cond := range map[Behaviour]filestore.Condition{RepeatedComplete: {}, RepeatedConditional: {Absent: true}} {
		ref := s.open(t, s.key())
		s.put(t, ref, 1, []byte("once"))
		parts := s.list(t, ref)
		if _, err := s.Store.CompleteUpload(t.Context(), ref, parts, cond); err != nil {
			t.Fatal(err)
		}
		_, err := s.Store.CompleteUpload(t.Context(), ref, parts, cond)
		s.observe(t, behaviour, kindOf(err))
		s.wantObject(t, ref.Key, []byte("once"))
	}
}

func (s *suite) atOnce(t *testing.T) {
	const callers = 8
	ref := s.open(t, s.key())
	s.put(t, ref, 1, []byte("once"))
	parts := s.list(t, ref)
	var errs [callers]error
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { _, errs[i] = s.Store.CompleteUpload(t.Context(), ref, parts, filestore.Condition{}) })
	}
	wg.Wait()
	ok, others := 0, map[string]bool{}
	for _, err := range errs {
		if err == nil {
			ok++
		} else {
			others[kindOf(err)] = true
		}
	}
	observed := "some OK"
	switch ok {
	case 0:
		observed = "none OK"
	case 1:
		observed = "one OK, the others " + strings.Join(slices.Sorted(maps.Keys(others)), " or ")
	case callers:
		observed = "all OK"
	}
	s.observe(t, ConcurrentCompletes, observed)
	s.wantObject(t, ref.Key, []byte("once"))
}

// ended: what a completed upload still does.
func (s *suite) ended(t *testing.T) {
	ref := s.open(t, s.key())
	s.put(t, ref, 1, []byte("done"))
	s.finish(t, ref, filestore.Condition{})
	_, err := s.Store.ListParts(t.Context(), ref)
	_, late := s.Store.PutPart(t.Context(), ref, 2, bytes.NewReader([]byte("late")), 4)
	s.observe(t, PartsAfterComplete, kindOf(err)+", "+kindOf(late))
	s.wantObject(t, ref.Key, []byte("done"))
	err = s.Store.AbortUpload(t.Context(), ref)
	observed := kindOf(err)
	if _, err := s.Store.Stat(t.Context(), ref.Key); errors.Is(err, filestore.ErrNotFound) {
		observed = "**destroys the object**"
	}
	s.observe(t, AbortAfterComplete, observed+", object stays")
	s.wantObject(t, ref.Key, []byte("done"))
}

func (s *suite) partDuringComplete(t *testing.T) {
	ref := s.open(t, s.key())
	s.put(t, ref, 1, []byte("whole"))
	observed := s.inFlight(t, ref, func() {
		s.finish(t, ref, filestore.Condition{})
	})
	s.observe(t, PartDuringComplete, observed)
	s.wantObject(t, ref.Key, []byte("whole"))
}

// wholeOrNothing: until the moment of completion, readers see the old object.
func (s *suite) wholeOrNothing(t *testing.T) {
	key := s.key()
	old, neu := random(50, 100_000), random(51, minPart+minPart)
	s.store(t, key, old, filestore.Condition{})
	ref := s.open(t, key)
	s.put(t, ref, 1, neu[:minPart])
	s.put(t, ref, 2, neu[minPart:])
	s.wantObject(t, key, old)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.finish(t, ref, filestore.Condition{})
	}()
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true
		default:
		}
		if got := s.read(t, key); !bytes.Equal(got, old) && !bytes.Equal(got, neu) {
			t.Fatalf("a reader sees %d bytes that are neither the old nor the new object", len(got))
		}
	}
	s.wantObject(t, key, neu)
}
