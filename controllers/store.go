package controllers

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

// Time limits of calls to object storage. An assembly can take minutes for large files, on backends
// that copy the parts.
const (
	callTimeout     = time.Minute
	completeTimeout = 30 * time.Minute
)
