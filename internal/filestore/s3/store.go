package s3

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// S3's limits, from "Amazon S3 multipart upload limits" and "Naming Amazon S3 objects".
const (
	maxKeyBytes   = 1024
	maxPartNumber = 10000
	maxPartBytes  = 5 << 30
	listPageSize  = 1000
)

// store implements filestore.Store.
type store struct {
	cfg       filestore.Config
	core      *minio.Core
	parts     *minio.Core // signs the requests that carry parts; another one than core only where every chunk is signed over TLS
	transport *http.Transport
	// uploadsPage is how many uploads are asked for at once; tests make it small.
	uploadsPage int
	// leftoverAge is the age from which on a probe is taken for dead.
	leftoverAge time.Duration
	// silence is how long a question waits for each byte of its answer, in nanoseconds; tests make
	// it small.
	silence *atomic.Int64
}

var _ filestore.Factory = New

// New makes a Store of an S3-compatible bucket. It reaches nothing: a wrong endpoint or wrong
// credentials show in the first call. The error is a filestore.ConfigError of kind ErrInvalidConfig
// and never holds a credential. The caller closes the Store. It takes any address; where others
// write the endpoint, use Guard.New.
func New(cfg filestore.Config) (filestore.Store, error) {
	return NewGuard(true).New(cfg)
}

func newStore(cfg filestore.Config, guard *Guard) (*store, error) {
	endpoint, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	if err := checkFields(cfg); err != nil {
		return nil, err
	}
	if err := guard.checkHost(endpoint.Hostname()); err != nil {
		return nil, err
	}
	transport, err := newTransport(cfg.CABundle, guard)
	if err != nil {
		return nil, err
	}
	s := &store{cfg: cfg, transport: transport, uploadsPage: listPageSize, leftoverAge: probeLeftover, silence: &atomic.Int64{}}
	s.silence.Store(int64(filestore.SilenceLimit))
	secure := endpoint.Scheme == "https"
	creds := newCredentials(cfg)
	if s.core, err = newCore(cfg, creds, endpoint.Host, secure, attentive{genuineAnswers{wire{next: transport}}, s.silence}); err != nil {
		return nil, err
	}
	s.parts = s.core
	if secure {
		// minio-go signs chunks on plain HTTP only. The signature does not cover the scheme, so a
		// client that takes the endpoint for plain HTTP signs them, and its requests are sent over
		// TLS all the same.
		if s.parts, err = newCore(cfg, creds, endpoint.Host, false, wire{next: transport, forceTLS: true}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func newCore(cfg filestore.Config, creds *credentials.Credentials, host string, secure bool, rt http.RoundTripper) (*minio.Core, error) {
	lookup := minio.BucketLookupAuto
	switch cfg.AddressingStyle {
	case v1alpha1.AddressingPath:
		lookup = minio.BucketLookupPath
	case v1alpha1.AddressingVirtualHosted:
		lookup = minio.BucketLookupDNS
	}
	region := cfg.Region
	if region == "" {
		region = "us-east-1" // without a region minio-go asks the backend for it before the first request
	}
	core, err := minio.NewCore(host, &minio.Options{
		Creds:        creds,
		Secure:       secure,
		Transport:    rt,
		Region:       region,
		BucketLookup: lookup,
		MaxRetries:   1,
		// The framing makes a part longer on the wire than it is; the backend judges the part,
		// minio-go the framed length.
		UploadLimits: &minio.UploadLimits{MaxPartSize: maxPartBytes + maxPartBytes/1024},
	})
	if err != nil {
		return nil, invalid("endpoint %q: %v", host, err)
	}
	core.SetAppInfo(version.Name, version.Number()) // a part of the User-Agent
	return core, nil
}

// Close implements filestore.Store.
func (s *store) Close() { s.transport.CloseIdleConnections() }

// checkKey refuses what no S3 backend can store, before minio-go does it with an error that cannot
// be told from others.
func checkKey(op, key string) error {
	var cause error
	switch {
	case key == "":
		cause = errors.New("the key is empty")
	case strings.TrimSpace(key) == "":
		cause = errors.New("the key is blank")
	case len(key) > maxKeyBytes:
		cause = fmt.Errorf("the key is %d bytes long, S3 takes at most %d", len(key), maxKeyBytes)
	case !utf8.ValidString(key):
		cause = errors.New("the key is not valid UTF-8")
	default:
		return nil
	}
	return &filestore.Error{Op: op, Kind: filestore.ErrInvalidKey, Cause: cause}
}

// checkRef does the same for an upload. An empty upload id is one that no backend knows.
func checkRef(op string, ref filestore.UploadRef) error {
	if err := checkKey(op, ref.Key); err != nil {
		return err
	}
	if ref.UploadID == "" {
		return &filestore.Error{Op: op, Kind: filestore.ErrNoSuchUpload, Cause: errors.New("the upload id is empty")}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return filestore.NewConfigError(filestore.ErrInvalidConfig, format, args...)
}
