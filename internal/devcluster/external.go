package devcluster

import "context"

// StoreExternal is the kind of a store that is not started here.
const StoreExternal StoreKind = "external"

// ExternalStore is a bucket that somebody else serves.
type ExternalStore struct {
	// Endpoint is the URL of the service, Region what requests are signed for.
	Endpoint, Region string
	// Bucket must exist. Prefix of all keys ends with a slash, or is empty.
	Bucket, Prefix string
	// AccessKey and SecretKey are those of a user of the bucket.
	AccessKey, SecretKey string
}

// objectStore is the store as one that is always running.
func (e *ExternalStore) objectStore() *ObjectStore {
	return &ObjectStore{Kind: StoreExternal, Endpoint: e.Endpoint, Region: e.Region, AccessKey: e.AccessKey, SecretKey: e.SecretKey}
}

// bucket is where the default FileStore keeps its objects.
func (o *Options) bucket() (bucket, prefix string) {
	if o.External != nil {
		return o.External.Bucket, o.External.Prefix
	}
	return Bucket, ""
}

// findObjectStore gets the program of the object store, unless somebody else serves it.
func (o *Options) findObjectStore(ctx context.Context) error {
	if o.External != nil {
		return nil
	}
	_, err := FindStore(ctx, o.Log, o.Store)
	return err
}
