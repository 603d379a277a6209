package doctor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// faulty is a store of which a test replaces calls.
type faulty struct {
	filestore.Store
	putPart  func(ctx context.Context, ref filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error)
	complete func(ctx context.Context, ref filestore.UploadRef, parts []filestore.Part, cond filestore.Condition) (filestore.Object, error)
	open     func(ctx context.Context, seen filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error)
	put      func(ctx context.Context, key string, body io.Reader, size int64, opts filestore.CreateUploadOptions, cond filestore.Condition) (filestore.Object, error)
	abort    func(ctx context.Context, ref filestore.UploadRef) error
	remove   func(ctx context.Context, key string) error
}

func (f *faulty) PutPart(ctx context.Context, ref filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
	if f.putPart != nil {
		return f.putPart(ctx, ref, number, body, size)
	}
	return f.Store.PutPart(ctx, ref, number, body, size)
}

func (f *faulty) CompleteUpload(ctx context.Context, ref filestore.UploadRef, parts []filestore.Part, cond filestore.Condition) (filestore.Object, error) {
	if f.complete != nil {
		return f.complete(ctx, ref, parts, cond)
	}
	return f.Store.CompleteUpload(ctx, ref, parts, cond)
}

func (f *faulty) Open(ctx context.Context, seen filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error) {
	if f.open != nil {
		return f.open(ctx, seen, rng)
	}
	return f.Store.Open(ctx, seen, rng)
}

func (f *faulty) PutObject(ctx context.Context, key string, body io.Reader, size int64, opts filestore.CreateUploadOptions, cond filestore.Condition) (filestore.Object, error) {
	if f.put != nil {
		return f.put(ctx, key, body, size, opts, cond)
	}
	return f.Store.PutObject(ctx, key, body, size, opts, cond)
}

func (f *faulty) AbortUpload(ctx context.Context, ref filestore.UploadRef) error {
	if f.abort != nil {
		return f.abort(ctx, ref)
	}
	return f.Store.AbortUpload(ctx, ref)
}

func (f *faulty) DeleteObject(ctx context.Context, key string) error {
	if f.remove != nil {
		return f.remove(ctx, key)
	}
	return f.Store.DeleteObject(ctx, key)
}

// examine examines a store, and returns what was found of each check.
func examine(t *testing.T, store filestore.Store) map[string]Finding {
	t.Helper()
	found := map[string]Finding{}
	RunStore(t.Context(), StoreOptions{
		Config: filestore.Config{Endpoint: "memory", Bucket: "bucket", Prefix: "doctor/"},
		Open:   func(filestore.Config) (filestore.Store, error) { return store, nil },
	}, func(f Finding) {
		if _, twice := found[f.Check]; twice {
			t.Errorf("%s is told twice", f.Check)
		}
		if (f.State == Failure || f.State == Warning) && f.Remedy == "" {
			t.Errorf("%s has no remedy: %s", f.Check, f.Detail)
		}
		found[f.Check] = f
	})
	return found
}

var allStoreChecks = []string{
	checkBucket, checkChecksums, checkConditions, checkListing, checkKeys, checkSearch,
	"parts", "cut bodies", "completion", "single file", "races", "abort", "deletion", checkVerdict,
}

// TestSoundStore: all is ok, and nothing is left.
func TestSoundStore(t *testing.T) {
	store := memory.New(memory.Options{})
	found := examine(t, store)
	for _, check := range allStoreChecks {
		if found[check].State != OK {
			t.Errorf("%s is %+v", check, found[check])
		}
	}
	if len(found) != len(allStoreChecks) {
		t.Errorf("%d checks, not %d", len(found), len(allStoreChecks))
	}
	err := store.ListObjects(t.Context(), "", "", func(o filestore.Object) bool {
		t.Errorf("%s is left", o.Key)
		return true
	})
	if err == nil {
		err = store.ListUploads(t.Context(), "", func(u filestore.Upload) bool {
			t.Errorf("an upload of %s is left", u.Key)
			return true
		})
	}
	if err != nil {
		t.Error(err)
	}
}

// TestBrokenStores has each check with files fail, by a store that does what the check is about.
func TestBrokenStores(t *testing.T) {
	for name, tt := range map[string]struct {
		breakIt func(f *faulty)
		check   string
		want    string
	}{
		"parts get lost": {func(f *faulty) {
			f.putPart = func(ctx context.Context, ref filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
				if number == 2 {
					_, _ = io.Copy(io.Discard, body)
					return filestore.Part{Number: number, Size: size, ETag: "lost"}, nil
				}
				return f.Store.PutPart(ctx, ref, number, body, size)
			}
		}, "parts", "the parts are 1 ("},
		"short parts stay": {func(f *faulty) {
			f.putPart = func(ctx context.Context, ref filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
				data, err := io.ReadAll(body)
				part, putErr := f.Store.PutPart(ctx, ref, number, bytes.NewReader(data), int64(len(data)))
				return part, errors.Join(err, putErr)
			}
		}, "cut bodies", "after a part that was cut short"},
		"short parts are taken": {func(f *faulty) {
			f.putPart = func(ctx context.Context, ref filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
				data, _ := io.ReadAll(body)
				return f.Store.PutPart(ctx, ref, number, bytes.NewReader(data), int64(len(data)))
			}
		}, "cut bodies", "is taken"},
		"other bytes come back": {func(f *faulty) {
			f.open = func(ctx context.Context, seen filestore.Object, rng filestore.ByteRange) (io.ReadCloser, error) {
				body, err := f.Store.Open(ctx, seen, rng)
				if err != nil {
					return nil, err
				}
				data, err := io.ReadAll(body)
				data[len(data)-1] ^= 1
				return io.NopCloser(bytes.NewReader(data)), err
			}
		}, "completion", "others came back"},
		"completion is refused": {func(f *faulty) {
			f.complete = func(context.Context, filestore.UploadRef, []filestore.Part, filestore.Condition) (filestore.Object, error) {
				return filestore.Object{}, filestore.ErrInvalidParts
			}
		}, "completion", "refuses these parts"},
		"everybody wins": {func(f *faulty) {
			f.put = func(ctx context.Context, key string, body io.Reader, size int64, opts filestore.CreateUploadOptions, _ filestore.Condition) (filestore.Object, error) {
				return f.Store.PutObject(ctx, key, body, size, opts, filestore.Condition{})
			}
		}, "races", "4 of 4 were told that they had won"},
		"all uploads win": {func(f *faulty) {
			f.complete = func(ctx context.Context, ref filestore.UploadRef, parts []filestore.Part, _ filestore.Condition) (filestore.Object, error) {
				return f.Store.CompleteUpload(ctx, ref, parts, filestore.Condition{})
			}
		}, "races", "of uploads 4 of 4"},
		"aborted uploads stay": {func(f *faulty) {
			f.abort = func(ctx context.Context, ref filestore.UploadRef) error {
				if strings.HasSuffix(ref.Key, "/aborted") {
					return nil
				}
				return f.Store.AbortUpload(ctx, ref)
			}
		}, "abort", "still has 1 parts"},
		"deleted files stay": {func(f *faulty) {
			f.remove = func(ctx context.Context, key string) error {
				if strings.HasSuffix(key, "/deleted") {
					return nil
				}
				return f.Store.DeleteObject(ctx, key)
			}
		}, "deletion", "is still there"},
		"no files are taken": {func(f *faulty) {
			f.put = func(context.Context, string, io.Reader, int64, filestore.CreateUploadOptions, filestore.Condition) (filestore.Object, error) {
				return filestore.Object{}, &filestore.Error{Op: "PutObject", Kind: filestore.ErrRejected, Cause: errors.New("not implemented")}
			}
		}, "single file", "not implemented"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{Store: memory.New(memory.Options{})}
			tt.breakIt(f)
			found := examine(t, f)
			if got := found[tt.check]; got.State != Failure || !strings.Contains(got.Detail, tt.want) {
				t.Errorf("%s is %+v", tt.check, got)
			}
			if got := found[checkVerdict]; got.State != Failure || !strings.Contains(got.Detail, tt.check) {
				t.Errorf("the verdict is %+v", got)
			}
		})
	}
}

// TestStoreThatDies: what could not be tried is unknown, and the verdict is no good one.
func TestStoreThatDies(t *testing.T) {
	store := memory.New(memory.Options{})
	store.Inject(memory.Fault{Operation: memory.CompleteUpload, Before: memory.Fail(&filestore.Error{Op: "CompleteMultipartUpload", Kind: filestore.ErrUnavailable, Cause: errors.New("connection refused")})})
	found := examine(t, store)
	for check, want := range map[string]State{"parts": OK, "completion": Unknown, "races": Unknown, "deletion": Unknown, checkVerdict: Failure} {
		if found[check].State != want {
			t.Errorf("%s is %+v", check, found[check])
		}
	}
}

// TestStoresThatLackSomething: each gap is a warning, and the verdict names what is not protected.
func TestStoresThatLackSomething(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*v1alpha1.FileStoreCapabilities)
		checks  []string
		verdict string
	}{
		"checksums":  {func(c *v1alpha1.FileStoreCapabilities) { c.PayloadMode = v1alpha1.PayloadUnsigned }, []string{checkChecksums}, v1alpha1.ReasonNoChecksums},
		"listing":    {func(c *v1alpha1.FileStoreCapabilities) { c.UploadListing = v1alpha1.UploadListingNone }, []string{checkListing}, v1alpha1.ReasonNoUploadListing},
		"exact keys": {func(c *v1alpha1.FileStoreCapabilities) { c.UploadListing = v1alpha1.UploadListingExactKey }, []string{checkListing}, ""},
		"metadata":   {func(c *v1alpha1.FileStoreCapabilities) { c.ListingMetadata = new(false) }, []string{checkSearch}, ""},
		"keys": {func(c *v1alpha1.FileStoreCapabilities) {
			c.Keys = &v1alpha1.FileStoreKeyLimits{MaxBytes: new(int32(700)), MaxSegmentBytes: new(int32(255)), BackslashIsSlash: new(true)}
		}, []string{checkKeys}, ""},
		"conditions": {func(c *v1alpha1.FileStoreCapabilities) {
			c.ConditionalPut, c.ConditionalCreate, c.ConditionalComplete = new(false), new(false), new(false)
		}, []string{checkConditions, "races"}, v1alpha1.ReasonNoConditions},
	} {
		t.Run(name, func(t *testing.T) {
			caps, err := memory.New(memory.Options{}).Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tt.change(&caps)
			found := examine(t, memory.New(memory.Options{Capabilities: caps}))
			for check, f := range found {
				want := OK
				if slices.Contains(tt.checks, check) || check == checkVerdict && tt.verdict != "" {
					want = Warning
				}
				if f.State != want {
					t.Errorf("%s is %+v", check, f)
				}
			}
			if got := found[checkVerdict]; !strings.Contains(got.Detail, tt.verdict) || !strings.HasPrefix(got.Detail, "usable") {
				t.Errorf("the verdict is %+v", got)
			}
		})
	}
}

// TestBucketsThatCannotBeUsed: nothing but the bucket is judged, and each kind has its remedy.
func TestBucketsThatCannotBeUsed(t *testing.T) {
	for want, kind := range map[string]error{
		"AWS_ACCESS_KEY_ID":      filestore.ErrAccessDenied,
		"make the bucket":        filestore.ErrBucketNotFound,
		"cannot be used as it":   filestore.ErrIntegrityUnsupported,
		"check --store, and":     filestore.ErrUnavailable,
		"as https://HOST":        filestore.ErrInvalidConfig,
		"what the backend hints": &filestore.Error{Kind: filestore.ErrRejected, Cause: errors.New("x"), Hint: "what the backend hints"},
	} {
		store := memory.New(memory.Options{})
		store.Inject(memory.Fault{Operation: memory.Probe, Before: memory.Fail(kind)})
		found := examine(t, store)
		if got := found[checkBucket]; got.State != Failure || !strings.Contains(got.Remedy, want) {
			t.Errorf("%v: %+v", kind, got)
		}
		for _, check := range allStoreChecks[1 : len(allStoreChecks)-1] {
			if found[check].State != Unknown {
				t.Errorf("%v: %s is %+v", kind, check, found[check])
			}
		}
		if found[checkVerdict].State != Failure {
			t.Errorf("%v: the verdict is %+v", kind, found[checkVerdict])
		}
	}
}
