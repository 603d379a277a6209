package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
)

// Source knows how the FileStores are reached. internal/filestore/kubesource reads it from the
// cluster.
type Source interface {
	// StoreConfig is what the FileStore of that name and its Secret say now. It is asked for every
	// call of Provider.Get, so it must answer from memory.
	//
	// Errors: ErrStoreNotFound, ErrSecretNotFound, ErrSecretKey, ErrSecretConsent,
	// ErrPrefixOverlap.
	StoreConfig(ctx context.Context, name string) (Config, error)
}

// Provider gives the Store of a FileStore, by name. A Store lives as long as its Config stays the
// same: when credentials are rotated or the endpoint changes, the next Get makes another one. It is
// safe for concurrent use.
type Provider struct {
	source  Source
	factory Factory

	stores sync.Map // name → *provided; written under mu only
	mu     sync.Mutex
	closed bool
}

type provided struct {
	config Config
	store  Store
}

// errProviderClosed is a state of this process, not of object storage, but a caller can do no more
// about it than wait.
var errProviderClosed = errors.New("the process is shutting down")

// NewProvider makes a Provider without any Store. The caller closes it.
func NewProvider(source Source, factory Factory) *Provider {
	return &Provider{source: source, factory: factory}
}

// Get returns the Store of the FileStore. It makes no request, and takes no lock but when the
// Config has changed. The Provider closes the Store, not the caller; a Store that is replaced
// meanwhile still ends the calls that it has begun.
//
// Errors: those of Source, ErrInvalidConfig, and ErrUnavailable after Close.
func (p *Provider) Get(ctx context.Context, name string) (Store, error) {
	config, err := p.source.StoreConfig(ctx, name)
	if err != nil {
		if errors.Is(err, ErrStoreNotFound) {
			p.forget(name)
		}
		return nil, err
	}
	if have, ok := p.load(name); ok && have.config.equal(config) {
		return have.store, nil
	}
	return p.replace(name, config)
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

func (p *Provider) replace(name string, config Config) (Store, error) {
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
	p.stores.Store(name, &provided{config: config, store: store})
	return store, nil
}

func (p *Provider) forget(name string) {
	if _, ok := p.stores.Load(name); !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(name)
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
		c.AddressingStyle == d.AddressingStyle && c.PayloadMode == d.PayloadMode && c.ListingMetadata == d.ListingMetadata
}
