package memory

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// LateParts is what becomes of a part whose upload ends while its bytes are still coming in.
type LateParts int

const (
	// LatePartsRefused answers ErrNoSuchUpload, as MinIO and S3 do.
	LatePartsRefused LateParts = iota
	// LatePartsResurrect stores the part, and the upload is open again with that part alone, as
	// with versitygw.
	LatePartsResurrect
)

// Options are the ways in which backends differ. The zero value behaves like MinIO, but for the
// listing of uploads.
type Options struct {
	// Now is the backend's clock; nil for the system's.
	Now func() time.Time
	// MinPartSize in bytes of all parts but the last; 0 for 5 MiB as with S3, negative for none.
	MinPartSize int64
	// LateParts as above.
	LateParts LateParts
	// RepeatedComplete makes a second CompleteUpload of the same upload succeed, as with versitygw,
	// instead of ErrNoSuchUpload.
	RepeatedComplete bool
	// PartsVanish has CompleteUpload take the parts off the list before the file is there, as MinIO
	// does; if it fails, they are listed again.
	PartsVanish bool
	// Capabilities are what Probe answers; zero for the best of each. They do not change the
	// behaviour of the other calls, except that ListObjects gives metadata only with
	// ListingMetadata.
	Capabilities v1alpha1.FileStoreCapabilities
}

// Store implements filestore.Store. The zero value is not usable; New makes one. It is safe for
// concurrent use.
type Store struct {
	opts Options

	mu       sync.Mutex
	objects  map[string]object
	uploads  map[filestore.UploadRef]*upload
	finished map[filestore.UploadRef]filestore.Object // uploads that were completed, and into what
	created  int

	faultsMu sync.Mutex
	faults   []*Fault
	calls    map[Operation]int
	tears    map[string]func()
}

type object struct {
	filestore.Object
	content []byte
}

type upload struct {
	ref       filestore.UploadRef
	opts      filestore.CreateUploadOptions
	initiated time.Time
	parts     map[int32]storedPart
	unlisted  bool // by PartsVanish
}

type storedPart struct {
	filestore.Part
	content []byte
}

var _ filestore.Store = (*Store)(nil)

// New makes an empty Store.
func New(opts Options) *Store {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MinPartSize == 0 {
		opts.MinPartSize = 5 << 20
	}
	if opts.Capabilities == (v1alpha1.FileStoreCapabilities{}) {
		opts.Capabilities = v1alpha1.FileStoreCapabilities{
			PayloadMode:         v1alpha1.PayloadTrailingCRC64NVME,
			ConditionalComplete: new(true),
			ConditionalPut:      new(true),
			ConditionalCreate:   new(true),
			MatchETag:           v1alpha1.ETagQuoted,
			UploadListing:       v1alpha1.UploadListingPrefix,
			ListingMetadata:     new(true),
			AbortKeepsObject:    new(true),
		}
	}
	return &Store{
		opts:     opts,
		objects:  map[string]object{},
		uploads:  map[filestore.UploadRef]*upload{},
		finished: map[filestore.UploadRef]filestore.Object{},
		calls:    map[Operation]int{},
		tears:    map[string]func(){},
	}
}

// Factory gives this very Store for every Config, so that a test holds the backend that the code
// under test talks to.
func (s *Store) Factory() filestore.Factory {
	return func(filestore.Config) (filestore.Store, error) { return s, nil }
}

// Close implements filestore.Store. It keeps the content.
func (s *Store) Close() {}

// SetObject stores an object past all uploads, as somebody else with access to the bucket would.
func (s *Store) SetObject(key string, content []byte, opts filestore.CreateUploadOptions) filestore.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.newObject(key, slices.Clone(content), etagOf(content), opts)
	s.objects[key] = o
	return o.Object
}

// LoseObject removes an object, if there is one, past everything else.
func (s *Store) LoseObject(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
}

// LoseUpload forgets an upload and its parts, as a backend does that reaps stale uploads by itself.
func (s *Store) LoseUpload(ref filestore.UploadRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, ref)
}

// OpenUploads are the uploads that are open, ordered by key and age.
func (s *Store) OpenUploads() []filestore.Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listed("")
}

func (s *Store) listed(prefix string) []filestore.Upload {
	var list []filestore.Upload
	for ref, u := range s.uploads {
		if strings.HasPrefix(ref.Key, prefix) {
			list = append(list, filestore.Upload{UploadRef: ref, Initiated: u.initiated})
		}
	}
	slices.SortFunc(list, func(a, b filestore.Upload) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), a.Initiated.Compare(b.Initiated), cmp.Compare(a.UploadID, b.UploadID))
	})
	return list
}

// nvme is the polynomial of CRC64NVME, reversed as package crc64 wants it.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

func checksum(content []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64.Checksum(content, nvme)))
}

func cloneMetadata(m map[string]string) map[string]string {
	c := make(map[string]string, len(m))
	for k, v := range m {
		c[strings.ToLower(k)] = v
	}
	return c
}

func checkKey(op Operation, key string) error {
	if key == "" || len(key) > 1024 || !utf8.ValidString(key) || strings.TrimSpace(key) == "" {
		return fault(op, filestore.ErrInvalidKey, "not a key of 1 to 1024 bytes of UTF-8")
	}
	return nil
}

func fault(op Operation, kind error, format string, args ...any) error {
	return &filestore.Error{Op: string(op), Kind: kind, Cause: fmt.Errorf(format, args...)}
}
