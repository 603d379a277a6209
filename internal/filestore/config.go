package filestore

import "github.com/iotfile-operator/iotfile-operator/api/v1alpha1"

// Config is all that is needed to reach one FileStore's bucket: what its spec and its Secret say.
type Config struct {
	// Name of the FileStore, for metrics.
	Name string
	// Endpoint is a URL of scheme and host.
	Endpoint string
	// Region that requests are signed for.
	Region string
	// Bucket is the bucket's name.
	Bucket string
	// Prefix of every key, empty or ending with a slash. Only Probe needs it: all other calls take
	// whole keys.
	Prefix string
	// AddressingStyle as in the FileStore.
	AddressingStyle v1alpha1.AddressingStyle
	// Credentials are the keys of the Secret; nil means the ambient cloud identity.
	Credentials *Credentials
	// CABundle holds PEM certificates, nil for the system's.
	CABundle []byte
	// PayloadMode is what the last probe found best. Empty before the first probe: then parts
	// cannot be written.
	PayloadMode v1alpha1.PayloadMode
	// ListingMetadata is whether the last probe found user metadata in listings of objects.
	ListingMetadata bool
	// BareETags is whether the last probe found that If-Match is compared without quotes when an
	// object is stored.
	BareETags bool
}

// Credentials for object storage. They are never logged: String hides them.
type Credentials struct {
	// AccessKeyID, SecretAccessKey and, for temporary credentials, SessionToken.
	AccessKeyID, SecretAccessKey, SessionToken string
}

// String hides the secrets, so that a credential that is logged by mistake does not leak.
func (Credentials) String() string { return "[credentials]" }

// GoString does the same for %#v.
func (c Credentials) GoString() string { return c.String() }

// Factory makes a Store of a Config without reaching it. It fails only where the Config cannot be
// used as it is. The caller closes the Store.
type Factory func(Config) (Store, error)
