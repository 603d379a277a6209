package search

import (
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestCreatedIsNotAfterUpdated: the creation is recorded by our clock, the update by the store's,
// in whole seconds.
func TestCreatedIsNotAfterUpdated(t *testing.T) {
	stored := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for created, want := range map[time.Time]string{
		stored.Add(491 * time.Millisecond): "2026-05-06T07:08:09.000Z",
		stored.Add(-time.Hour):             "2026-05-06T06:08:09.000Z",
		{}:                                 "2026-05-06T07:08:09.000Z",
	} {
		f := &File{object: filestore.Object{Modified: stored}, meta: &upload.FileMetadata{Created: created}}
		if got := f.Listed("team-a"); got.Created != want || got.Updated != "2026-05-06T07:08:09.000Z" {
			t.Errorf("recorded as created %s: created %s, updated %s, want created %s", created, got.Created, got.Updated, want)
		}
	}
}
