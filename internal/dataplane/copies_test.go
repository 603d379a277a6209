package dataplane_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// undecided says of the last part that it has several copies, until another one is sent.
type undecided struct {
	*memory.Store
	number atomic.Int32 // also read by who records progress
}

func (u *undecided) ListParts(ctx context.Context, ref filestore.UploadRef) ([]filestore.Part, error) {
	parts, err := u.Store.ListParts(ctx, ref)
	for i, p := range parts {
		if p.Number == u.number.Load() {
			parts[i] = filestore.Part{Number: p.Number, Unclear: true}
		}
	}
	return parts, err
}

// TestLastPartIsUnclear: no file is made without the part that was sent last, which object storage
// has several copies of, and none takes its number.
func TestLastPartIsUnclear(t *testing.T) {
	for name, body := range map[string][]byte{"complete": nil, "complete with a body": randomBytes(3000)} {
		t.Run(name, func(t *testing.T) {
			store := &undecided{Store: memory.New(memory.Options{MinPartSize: -1})}
			store.number.Store(2)
			s := newSystem(t, setup{store: store})
			s.started("x") // with part 1
			second := randomBytes(3000)
			s.want(s.put(s.path("x?part=2"), second), 201)
			got := s.want(s.put(s.path("x?upload=complete"), body), 400)
			if !strings.Contains(string(got.body), "missing 2;") {
				t.Errorf("%v", got)
			}
			if list := s.want(s.get(s.list("x")), 200); strings.Contains(string(list.body), `"partNo":2`) || !strings.Contains(string(list.body), `"partNo":1`) {
				t.Errorf("the list is %s", list.body)
			}
			if s.only().Spec.FinalPartNumber != nil || s.only().Spec.DesiredState == "Completed" {
				t.Errorf("the record is %+v", s.only().Spec)
			}
			s.want(s.put(s.path("x?part=2"), second), 201)
			store.number.Store(0)
			s.want(s.put(s.path("x?upload=complete"), body), 201)
			if file := s.want(s.get(s.path("x")), 200); !strings.HasSuffix(string(file.body), string(second)+string(body)) {
				t.Errorf("the file has %d bytes", len(file.body))
			}
		})
	}
}
