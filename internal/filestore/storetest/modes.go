package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// RunModes shows what becomes of a part, and of an object sent at once, in each payload mode. What
// a backend does in a mode that Probe does not choose is no promise; it is observed, and declared,
// because it is why Probe chooses as it does.
func RunModes(t *testing.T, table *Table, newBackend func(t *testing.T) Backend) {
	s := newSuite(t, table, newBackend)
	for _, mode := range modes {
		for _, event := range events {
			t.Run(fmt.Sprintf("%s/%s", mode, event), func(t *testing.T) {
				s.observe(t, InMode(mode, event), s.partInMode(t, mode, event))
			})
			t.Run(fmt.Sprintf("%s/%s/PutObject", mode, event), func(t *testing.T) {
				s.observe(t, ObjectInMode(mode, event), s.objectInMode(t, mode, event))
			})
		}
	}
}

// partInMode sends a part over another one, and says what the answer is and which of the two is
// there then.
func (s *suite) partInMode(t *testing.T, mode v1alpha1.PayloadMode, event Event) string {
	store := s.Reach(t, s.Address, mode)
	key := s.key()
	id, err := store.CreateUpload(t.Context(), key, filestore.CreateUploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ref := filestore.UploadRef{Key: key, UploadID: id}
	t.Cleanup(func() { _ = store.AbortUpload(context.WithoutCancel(t.Context()), ref) })
	before, after := random(30, 90_000), random(31, 300_000)
	if _, err := store.PutPart(t.Context(), ref, 1, bytes.NewReader(before), int64(len(before))); err != nil {
		return kindOf(err)
	}
	body, addr := s.harmed(t, event, after)
	_, err = s.Reach(t, addr, mode).PutPart(t.Context(), ref, 1, body, int64(len(after)))
	answer := answerOf(err, event)
	time.Sleep(quiet)
	parts, err := store.ListParts(t.Context(), ref)
	if err != nil || len(parts) != 1 {
		return fmt.Sprintf("%s; parts %v, %v", answer, parts, err)
	}
	if _, err := store.CompleteUpload(t.Context(), ref, parts, filestore.Condition{}); err != nil {
		return fmt.Sprintf("%s; Complete: %s", answer, kindOf(err))
	}
	return answer + "; " + s.which(t, key, "part", before, after)
}

// objectInMode sends an object over another one, and says the same of it.
func (s *suite) objectInMode(t *testing.T, mode v1alpha1.PayloadMode, event Event) string {
	key, before, after := s.key(), random(32, 90_000), random(33, 300_000)
	put := func(addr string, body io.Reader, size int) error {
		_, err := s.Reach(t, addr, mode).PutObject(t.Context(), key, body, int64(size), filestore.CreateUploadOptions{}, filestore.Condition{})
		return err
	}
	if err := put(s.Address, bytes.NewReader(before), len(before)); err != nil {
		return kindOf(err)
	}
	body, addr := s.harmed(t, event, after)
	answer := answerOf(put(addr, body, len(after)), event)
	time.Sleep(quiet)
	return answer + "; " + s.which(t, key, "object", before, after)
}

// harmed is a body that something happens to when it is sent to addr.
func (s *suite) harmed(t *testing.T, event Event, content []byte) (body io.Reader, addr string) {
	body = bytes.NewReader(content)
	proxy := testkit.FaultyTCP(t, s.Address)
	switch event {
	case BodyFails:
		body = io.MultiReader(bytes.NewReader(content[:200_000]), failing{errBody})
	case ConnectionCut:
		proxy.Add("cut", cutUpstream(200_000))
	case BitFlipped:
		proxy.Add("flip", flip(200_000))
	}
	return body, proxy.Addr()
}

func answerOf(err error, event Event) string {
	if err != nil && (event == ConnectionCut || event == BitFlipped) {
		return "refused" // with which error depends on how much was still on its way
	}
	return kindOf(err)
}

// which says what an object of the key has become.
func (s *suite) which(t *testing.T, key, what string, before, after []byte) string {
	switch got := s.read(t, key); {
	case bytes.Equal(got, before):
		return "old " + what + " kept"
	case bytes.Equal(got, after):
		return "stored"
	case len(got) == len(after) && bytes.Equal(got[250_000:], make([]byte, 50_000)):
		return "**stored truncated, filled with zeros**"
	case len(got) == len(after):
		return "**stored damaged**"
	case bytes.HasPrefix(after, got):
		return "**stored truncated**"
	default:
		return fmt.Sprintf("**%d of %d bytes stored**", len(got), len(after))
	}
}
