package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
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

// foundFile is a file on its way through a search.
type foundFile struct {
	object filestore.Object
	// path ends with a slash, and is empty at the root, so that path + name is what follows the
	// entity in the file's address.
	path, name string
	// meta is nil as long as it is unknown.
	meta *upload.FileMetadata
	// sort is the value of the property that the answer is ordered by.
	sort value
	gone bool
}

// listedFile is a file as clients see it. The names are those of the service that this API comes
// from, whose clients rely on each of them to be there.
type listedFile struct {
	Name        string `json:"name"`
	Path        string `json:"path"`
	Type        string `json:"type"`
	Size        int64  `json:"size"`
	Timestamp   string `json:"timestamp"`
	Created     string `json:"created"`
	Updated     string `json:"updated"`
	CreatedBy   string `json:"createdBy"`
	UpdatedBy   string `json:"updatedBy"`
	Description string `json:"description"`
	ETag        int64  `json:"etag"`
	// TenantID is the namespace, and StoragePrefix what objectKey begins with: here the same.
	TenantID      string `json:"tenantId"`
	StoragePrefix string `json:"storagePrefix"`
}

// search lists files of an entity (contract, "GET /files/{e}" and rule 12).
func (s *Server) search(c *call, r *http.Request) error {
	query, err := parseSearch(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.opts.SearchTimeout, apierror.ErrTimeout)
	defer cancel()
	fs, err := s.fileStore(ctx, c.file.Namespace)
	if err != nil {
		return err
	}
	store, err := s.storeNamed(ctx, fs.Name)
	if err != nil {
		return err
	}
	release, err := s.takeTurn(ctx, c, s.searches, budgetSearches, fs.Name)
	if err != nil {
		return err
	}
	defer release()
	p := &pass{store: store, query: query, prefix: fs.Spec.Prefix + c.file.TenantKey(), best: newTop(query.offset+query.limit, query.order.compare)}
	files, total, err := p.run(ctx)
	if errors.Is(context.Cause(ctx), apierror.ErrTimeout) {
		return apierror.Unavailable("the search takes too long: narrow it with a filter on path", apierror.RetryShort).Because(err)
	}
	if err != nil {
		return err
	}
	return c.answerFiles(files, total)
}

// answerFiles writes the page and the number of all matches.
func (c *call) answerFiles(files []*foundFile, total int) error {
	out := make([]listedFile, len(files))
	for i, f := range files {
		out[i] = f.listed(c.file.Namespace)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode the files: %w", err)
	}
	h := c.response.Header()
	h.Set("X-Total-Count", strconv.Itoa(total))
	h.Set("Count", strconv.Itoa(total))
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.response.WriteHeader(http.StatusOK)
	if c.method != http.MethodHead {
		_, _ = c.response.Write(body) // the client may be gone
	}
	return nil
}

// pass goes once over the objects of an entity. It keeps no more of them than the page's end needs.
type pass struct {
	store Store
	query searchQuery
	// prefix is the entity's, with the slash.
	prefix string

	mu    sync.Mutex
	best  *top[*foundFile]
	total int
}

func (p *pass) run(ctx context.Context) ([]*foundFile, int, error) {
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
	here := slices.DeleteFunc(page, func(f *foundFile) bool { return f.gone })
	return here, p.total - (len(page) - len(here)), nil
}

// garbled reports whether the key may not be the object's: listings are XML, and some stores put
// U+FFFD for what XML cannot hold.
func garbled(key string) bool { return strings.ContainsRune(key, utf8.RuneError) }

// found makes a file of an object. ok is false where the key is no address, such as a directory
// mark.
func (p *pass) found(o filestore.Object) (f *foundFile, ok bool) {
	full := strings.TrimPrefix(o.Key, p.prefix)
	if err := (upload.File{EntityID: anyEntity, Path: full}).Validate(); err != nil {
		return nil, false
	}
	cut := strings.LastIndexByte(full, '/') + 1
	f = &foundFile{path: full[:cut], name: full[cut:]}
	f.set(o)
	return f, true
}

// anyEntity is a valid entity, where only the path is to be validated.
const anyEntity = "00000000000000000000000000000000"

// ask completes a file by what object storage tells of it alone, and considers it.
func (p *pass) ask(ctx context.Context, f *foundFile) error {
	if err := p.stat(ctx, f); err != nil || f.gone {
		return err
	}
	if p.query.filter.matches(f.value, true) { // it may have been replaced since it was listed
		p.consider(f)
	}
	return nil
}

// consider counts the file, and keeps it if it may be on the page.
func (p *pass) consider(f *foundFile) {
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
func (p *pass) complete(ctx context.Context, page []*foundFile) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(searchStats)
	for _, f := range page {
		if f.meta == nil {
			group.Go(func() error { return p.stat(ctx, f) })
		}
	}
	return group.Wait()
}

func (p *pass) stat(ctx context.Context, f *foundFile) error {
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

// set takes what is known of the object.
func (f *foundFile) set(o filestore.Object) {
	if o.Metadata != nil {
		meta := upload.DecodeFileMetadata(o.Metadata)
		f.meta = &meta
	}
	o.Metadata = nil
	f.object = o
}

// value is a property of the file. What a listing does not tell is known only with the metadata.
func (f *foundFile) value(of field) value {
	switch of {
	case fieldName:
		return textValue(f.name)
	case fieldPath:
		return textValue(f.path)
	case fieldSize:
		return numberValue(f.object.Size)
	case fieldUpdated:
		return timeValue(f.object.Modified)
	}
	if f.meta == nil {
		return value{}
	}
	switch of {
	case fieldType:
		return textValue(kindOf(f.object))
	case fieldTimestamp:
		return timeValue(f.timestamp())
	case fieldCreated:
		return timeValue(f.created())
	case fieldCreatedBy:
		return textValue(f.meta.CreatedBy)
	case fieldUpdatedBy:
		return textValue(f.meta.UpdatedBy)
	case fieldDescription:
		return textValue(f.meta.Description)
	case fieldETag:
		return numberValue(f.meta.Version)
	}
	return value{}
}

// created is when the file was first stored; of the files of others only the last time is known.
// Our clock counts milliseconds, and object storage whole seconds that it cuts off: no file shows
// an update before its creation.
func (f *foundFile) created() time.Time {
	if f.meta.Created.IsZero() || f.meta.Created.After(f.object.Modified) {
		return f.object.Modified
	}
	return f.meta.Created
}

// timestamp is the time that the client gave, or that of storing where it gave none: a listing
// always shows one, as clients expect.
func (f *foundFile) timestamp() time.Time {
	if f.meta.Timestamp.IsZero() {
		return f.object.Modified
	}
	return f.meta.Timestamp
}

func (f *foundFile) listed(namespace string) listedFile {
	return listedFile{
		Name: f.name, Path: f.path, Type: kindOf(f.object), Size: f.object.Size,
		Timestamp: formatTime(f.timestamp()), Created: formatTime(f.created()), Updated: formatTime(f.object.Modified),
		CreatedBy: f.meta.CreatedBy, UpdatedBy: f.meta.UpdatedBy, Description: f.meta.Description, ETag: f.meta.Version,
		TenantID: namespace, StoragePrefix: namespace,
	}
}
