package reconciler

import (
	"context"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Store is what the reconcilers use of object storage: everything but the bytes.
type Store interface {
	filestore.PartLister
	filestore.Lifecycle
	filestore.Prober
	// Stat as in filestore.Reader.
	Stat(ctx context.Context, key string) (filestore.Object, error)
}

// Stores finds the Store of a FileStore by name. The error is a *filestore.ConfigError where
// somebody has to act. The Store must not be closed, and not be kept beyond a pass: its credentials
// may change.
type Stores interface {
	Get(ctx context.Context, name string) (Store, error)
}

// StoresAtOnce is how many passes over FileStores a reconciler makes at once: more than there are,
// so that one that does not answer holds up none of the others.
const StoresAtOnce = 64

// An abort has firstAbortTime, twice as long after each time that it was not answered in, and
// LastAbortTime at most: some stores delete the parts, of which there may be thousands, before they
// answer.
const (
	firstAbortTime = 10 * time.Second
	// LastAbortTime is the longest that an abort may take.
	LastAbortTime = 5 * time.Minute
)

// AbortTime is how long an abort may take that was not answered so many times before.
func AbortTime(times int) time.Duration {
	return min(LastAbortTime, firstAbortTime<<min(times, 5)) // past 5 it would be longer than the last
}
