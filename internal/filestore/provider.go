package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Source knows how the FileStores are reached. internal/filestore/kubesource reads it from the
// cluster.
type Source interface {
	// StoreConfig is what the FileStore of that name and its Secret say now. It answers from
	// memory.
	//
	// Errors: ErrStoreNotFound, ErrSecretNotFound, ErrSecretKey, ErrSecretConsent,
	// ErrPrefixOverlap.
	StoreConfig(ctx context.Context, name string) (Config, error)
}

// Provider gives the Store of a FileStore, by name. A Store lives as long as its Config stays the
// same: when credentials are rotated or the endpoint changes, another one is made. It is safe for
// concurrent use.
type Provider struct {
	source  Source
	factory Factory

	stores sync.Map // name → *provided; written under mu only
	// changes counts the calls of Changed.
	changes atomic.Int64
	mu      sync.Mutex
	closed  bool
}

type provided struct {
	config Config
	store  Store
	// asOf is the number of changes that config is known to include.
	asOf atomic.Int64
}

// errProviderClosed is a state of this process, not of object storage, but a caller can do no more
// about it than wait.
var errProviderClosed = errors.New("the process is shutting down")

// NewProvider makes a Provider without any Store. The caller closes it.
func NewProvider(source Source, factory Factory) *Provider {
	return &Provider{source: source, factory: factory}
}

// Changed has the next Get of each FileStore read its Config again. It is called when a FileStore
// or a Secret has changed.
func (p *Provider) Changed() { p.changes.Add(1) }

// Get returns the Store of the FileStore. It makes no request, and reads the Config only if Changed
// was called since it was last read. The Provider closes the Store, not the caller; a Store that is
// replaced meanwhile still ends the calls that it has begun.
//
// Errors: those of Source, ErrInvalidConfig, and ErrUnavailable after Close.
func (p *Provider) Get(ctx context.Context, name string) (Store, error) {
	if have, ok := p.load(name); ok && have.asOf.Load() == p.changes.Load() {
		return have.store, nil
	}
	return p.Current(ctx, name)
}

// Current is Get for who has seen the FileStore as it is now, and must not be given the Store of
// what it was: it reads the Config in any case.
func (p *Provider) Current(ctx context.Context, name string) (Store, error) {
	changes := p.changes.Load()
	config, err := p.source.StoreConfig(ctx, name)
	if err != nil {
		p.refuse(name, errors.Is(err, ErrStoreNotFound))
		return nil, err
	}
	if have, ok := p.load(name); ok && have.config.equal(config) {
		have.asOf.Store(changes)
		return have.store, nil
	}
	return p.replace(name, config, changes)
}

// Close closes all Stores. Calls in flight end by themselves. It is idempotent.
func (p *Provider) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.stores.Range(func(name, _ any) bool {
		p.drop(name)
		return true
	})
}

func (p *Provider) load(name string) (*provided, bool) {
	have, ok := p.stores.Load(name)
	if !ok {
		return nil, false
	}
	store, ok := have.(*provided)
	return store, ok
}

func (p *Provider) replace(name string, config Config, changes int64) (Store, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, errProviderClosed)
	}
	if have, ok := p.load(name); ok && have.config.equal(config) {
		return have.store, nil // somebody else was faster
	}
	store, err := p.factory(config)
	if err != nil {
		return nil, fmt.Errorf("FileStore %s: %w", name, err)
	}
	p.drop(name)
	made := &provided{config: config, store: store}
	made.asOf.Store(changes)
	p.stores.Store(name, made)
	return store, nil
}

// refuse has the Store that there is not be given before its Config was read again; one of a
// FileStore that is gone is closed.
func (p *Provider) refuse(name string, gone bool) {
	have, ok := p.load(name)
	if !ok {
		return
	}
	have.asOf.Store(-1)
	if gone {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop(name)
	}
}

func (p *Provider) drop(name any) {
	if have, ok := p.stores.LoadAndDelete(name); ok {
		if store, ok := have.(*provided); ok {
			store.store.Close()
		}
	}
}

func (c Config) equal(d Config) bool {
	if (c.Credentials == nil) != (d.Credentials == nil) || c.Credentials != nil && *c.Credentials != *d.Credentials {
		return false
	}
	if !bytes.Equal(c.CABundle, d.CABundle) {
		return false
	}
	return c.Name == d.Name && c.Endpoint == d.Endpoint && c.Region == d.Region && c.Bucket == d.Bucket && c.Prefix == d.Prefix &&
		c.AddressingStyle == d.AddressingStyle && c.PayloadMode == d.PayloadMode && c.ListingMetadata == d.ListingMetadata && c.BareETags == d.BareETags
}
