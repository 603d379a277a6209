package dataplane_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// replacing leaves the last part out of one list, as MinIO does while that part is replaced.
type replacing struct {
	*memory.Store
	lists, short atomic.Int32 // how many were made, and which of them is short
}

func (r *replacing) ListParts(ctx context.Context, ref filestore.UploadRef) ([]filestore.Part, error) {
	parts, err := r.Store.ListParts(ctx, ref)
	if r.lists.Add(1) == r.short.Load() && len(parts) > 0 {
		parts = parts[:len(parts)-1]
	}
	return parts, err
}

// TestPartIsBeingReplaced: a completion beside a copy of the last part is not told that the part is
// missing, and the file is not cut off before it.
func TestPartIsBeingReplaced(t *testing.T) {
	store := &replacing{Store: memory.New(memory.Options{MinPartSize: -1})}
	s := newSystem(t, setup{store: store})
	second := randomBytes(3000)
	for _, declared := range []bool{false, true} {
		for _, body := range [][]byte{nil, randomBytes(2000)} {
			for short := range int32(4) {
				name := fmt.Sprintf("declared %v, a body of %d, list %d is short", declared, len(body), short+1)
				t.Run(name, func(t *testing.T) {
					first := randomBytes(4000)
					want := bytes.Join([][]byte{first, second, body}, nil)
					path := s.path(strconv.Itoa(len(body)) + strconv.FormatBool(declared) + strconv.Itoa(int(short)))
					var size []string
					if declared {
						size = []string{"X-File-Size", strconv.Itoa(len(want))}
					}
					s.want(s.put(path+"?upload=start", nil, size...), 201)
					s.want(s.put(path+"?part=1", first), 201)
					s.want(s.put(path+"?part=2", second), 201)
					store.lists.Store(0)
					store.short.Store(short + 1)
					s.want(s.put(path+"?upload=complete", body), 201)
					store.short.Store(0)
					if file := s.want(s.get(path), 200); !bytes.Equal(file.body, want) {
						t.Errorf("the file has %d bytes, and not the %d that were sent", len(file.body), len(want))
					}
				})
			}
		}
	}
}
