package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// What the platform team is told when there are no keys.
const (
	noIdentity = "no ambient cloud identity was found; give the FileStore a credentials.secretRef, or the operator's service account an identity"
	noKeys     = "the token service gives no keys for the token of the operator's service account; the operator's log says why"
)

const (
	// identityTimeout bounds one request to a metadata or token service: those are near, or not
	// there at all.
	identityTimeout = 10 * time.Second
	// askAgain is how long keys are used on that could not be renewed in time, before the next try.
	askAgain = 15 * time.Second
)

// identityError: the operator has no keys of its own. kind is filestore.ErrAccessDenied or, where
// the service that gives them is away, filestore.ErrUnavailable.
type identityError struct {
	kind  error
	hint  string
	cause error
}

// Error implements error.
func (e *identityError) Error() string { return fmt.Sprintf("%s: %v", e.hint, e.cause) }

// Unwrap gives the cause.
func (e *identityError) Unwrap() error { return e.cause }

// stsVariable names the token service that the operator's web identity is sent to, where
// that is not Amazon's, as in all of Amazon's tools. MinIO and Ceph have one at the address of
// their S3. It is a variable of the process and no field of a FileStore: whoever writes FileStores
// must not choose who gets the operator's token.
const stsVariable = "AWS_ENDPOINT_URL_STS"

// newCredentials gives the keys of the Secret or, without one, the ambient cloud identity of the
// process.
func newCredentials(cfg filestore.Config) *credentials.Credentials {
	if c := cfg.Credentials; c != nil {
		return credentials.NewStaticV4(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
	providers := []credentials.Provider{&credentials.EnvAWS{}}
	if os.Getenv("AWS_SHARED_CREDENTIALS_FILE") != "" {
		providers = append(providers, &credentials.FileAWSCredentials{})
	}
	// Web identity, container and instance metadata in one. Its client is its own: the CA bundle of
	// the store, and its connections, are no business of the cloud's token service. What it sends
	// is a token, so it follows nobody elsewhere.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	iam := &credentials.IAM{Region: cfg.Region, Client: &http.Client{Timeout: identityTimeout, CheckRedirect: stay}}
	own := &ambient{hint: noIdentity}
	if os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" { // else minio-go takes Endpoint for the metadata service
		iam.Endpoint = os.Getenv(stsVariable)
		iam.Client.Transport = serving{http.DefaultTransport}
		own.hint, own.awaited = noKeys, true
	}
	own.providers = append(providers, iam)
	return credentials.New(own)
}

// serving makes errors of answers by which a token service says that it is not at work.
type serving struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s serving) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := s.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode >= 500 {
		_ = res.Body.Close()
		return nil, fmt.Errorf("the token service answers %s", res.Status)
	}
	return res, err
}

// ambient asks its providers in turn. minio-go's own chain does the same, but sends unsigned
// requests when none has an identity, and forgets why. credentials.Credentials has one goroutine at
// a time call it.
type ambient struct {
	providers []credentials.Provider
	// hint says what it means that none has keys.
	hint string
	// awaited: there has to be an identity. A service that does not answer is away.
	awaited bool

	current credentials.Provider
	// last is what current has given. again is when it is asked again after a failure, else zero.
	last  credentials.Value
	again time.Time
}

// RetrieveWithCredContext implements credentials.Provider. Keys are renewed when a fifth of their
// time is left: while that cannot be done, they are used on.
func (a *ambient) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	value, err := a.ask(cc)
	now := time.Now()
	if err != nil && now.Before(a.last.Expiration) {
		if a.again = now.Add(askAgain); a.again.After(a.last.Expiration) {
			a.again = a.last.Expiration
		}
		return a.last, nil
	}
	a.last, a.again = value, time.Time{}
	return value, err
}

func (a *ambient) ask(cc *credentials.CredContext) (credentials.Value, error) {
	var causes []error
	for _, p := range a.providers {
		value, err := p.RetrieveWithCredContext(cc)
		if err != nil {
			causes = append(causes, err)
			continue
		}
		if value.AccessKeyID == "" || value.SecretAccessKey == "" {
			continue
		}
		a.current = p
		return value, nil
	}
	if cc != nil && cc.Context != nil && cc.Context.Err() != nil {
		return credentials.Value{}, context.Cause(cc.Context)
	}
	cause := errors.Join(causes...)
	kind := filestore.ErrAccessDenied
	if at := (*url.Error)(nil); a.awaited && errors.As(cause, &at) {
		kind = filestore.ErrUnavailable
	}
	return credentials.Value{}, &identityError{kind: kind, hint: a.hint, cause: cause}
}

// Retrieve implements credentials.Provider.
func (a *ambient) Retrieve() (credentials.Value, error) { return a.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (a *ambient) IsExpired() bool {
	return a.current == nil || a.current.IsExpired() && !time.Now().Before(a.again)
}
