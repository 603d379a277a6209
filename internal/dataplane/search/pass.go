package search

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// searchStats is how many objects one search asks object storage about at once.
	searchStats = 16
	// keptMetadata is up to how many results their metadata is kept on the way; of more, those of
	// the page are asked again.
	keptMetadata = 1000
)

// Store is what a search asks of object storage.
type Store interface {
	filestore.ObjectLister
	// Stat looks at one object; filestore.ErrNotFound means that there is none.
	Stat(ctx context.Context, key string) (filestore.Object, error)
}

// Run searches the objects below prefix, which ends with a slash. It returns the files of the page
// that the query asks for, and the number of all that match.
func Run(ctx context.Context, store Store, prefix string, query Query) ([]*File, int, error) {
	p := &pass{store: store, query: query, prefix: prefix, best: newTop(query.offset+query.limit, query.order.compare)}
	return p.run(ctx)
}

// pass goes once over the objects of an entity. It keeps no more of them than the page's end needs.
type pass struct {
	store Store
	query Query
	// prefix is the entity's, with the slash.
	prefix string

	mu    sync.Mutex
	best  *top[*File]
	total int
}

func (p *pass) run(ctx context.Context) ([]*File, int, error) {
	group, passCtx := errgroup.WithContext(ctx)
	group.SetLimit(searchStats)
	err := p.store.ListObjects(passCtx, p.prefix+p.query.filter.pathPrefix(), "", func(o filestore.Object) bool {
		f, ok := p.found(o)
		switch {
		case !ok || !p.query.filter.matches(f.value, true):
		case !garbled(o.Key) && (f.meta != nil || !p.query.needsMetadata()):
			p.consider(f)
		default:
			group.Go(func() error { return p.ask(passCtx, f) })
		}
		return passCtx.Err() == nil
	})
	if waited := group.Wait(); waited != nil {
		return nil, 0, waited
	}
	if err != nil {
		return nil, 0, err
	}
	page := p.best.sorted()
	page = page[min(p.query.offset, len(page)):]
	if err := p.complete(ctx, page); err != nil {
		return nil, 0, err
	}
	here := slices.DeleteFunc(page, func(f *File) bool { return f.gone })
	return here, p.total - (len(page) - len(here)), nil
}

// garbled reports whether the key may not be the object's: listings are XML, and some stores put
// U+FFFD for what XML cannot hold.
func garbled(key string) bool { return strings.ContainsRune(key, utf8.RuneError) }

// found makes a file of an object. ok is false where the key is no address, such as a directory
// mark.
func (p *pass) found(o filestore.Object) (f *File, ok bool) {
	full := strings.TrimPrefix(o.Key, p.prefix)
	if err := (upload.File{EntityID: anyEntity, Path: full}).Validate(); err != nil {
		return nil, false
	}
	cut := strings.LastIndexByte(full, '/') + 1
	f = &File{path: full[:cut], name: full[cut:]}
	f.set(o)
	return f, true
}

// anyEntity is a valid entity, where only the path is to be validated.
const anyEntity = "00000000000000000000000000000000"

// ask completes a file by what object storage tells of it alone, and considers it.
func (p *pass) ask(ctx context.Context, f *File) error {
	if err := p.stat(ctx, f); err != nil || f.gone {
		return err
	}
	if p.query.filter.matches(f.value, true) { // it may have been replaced since it was listed
		p.consider(f)
	}
	return nil
}

// consider counts the file, and keeps it if it may be on the page.
func (p *pass) consider(f *File) {
	if !p.query.filter.matches(f.value, false) {
		return
	}
	f.sort = f.value(p.query.order.field)
	if p.best.size > keptMetadata {
		f.meta = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total++
	p.best.add(f)
}

// complete asks for the metadata of the page's files where it is not known.
func (p *pass) complete(ctx context.Context, page []*File) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(searchStats)
	for _, f := range page {
		if f.meta == nil {
			group.Go(func() error { return p.stat(ctx, f) })
		}
	}
	return group.Wait()
}

func (p *pass) stat(ctx context.Context, f *File) error {
	o, err := p.store.Stat(ctx, f.object.Key)
	switch {
	case errors.Is(err, filestore.ErrNotFound):
		f.gone = true
		return nil
	case err != nil:
		return err
	}
	if o.Metadata == nil {
		o.Metadata = map[string]string{} // there is none, and no need to ask again
	}
	f.set(o)
	return nil
}
