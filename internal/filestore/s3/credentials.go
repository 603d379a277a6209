package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// errNoIdentity: none of the places where a cloud leaves an identity has one.
var errNoIdentity = errors.New("no ambient cloud identity was found; give the FileStore a credentials.secretRef, or the operator's service account an identity")

// identityTimeout bounds one request to a metadata or token service: those are near, or not there
// at all.
const identityTimeout = 10 * time.Second

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
	if os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" { // else minio-go takes Endpoint for the metadata service
		iam.Endpoint = os.Getenv(stsVariable)
	}
	providers = append(providers, iam)
	return credentials.New(&ambient{providers: providers})
}

// ambient asks its providers in turn. minio-go's own chain does the same, but sends unsigned
// requests when none has an identity, and forgets why.
type ambient struct {
	providers []credentials.Provider
	current   credentials.Provider
}

// RetrieveWithCredContext implements credentials.Provider.
func (a *ambient) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
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
	return credentials.Value{}, fmt.Errorf("%w: %w", errNoIdentity, errors.Join(causes...))
}

// Retrieve implements credentials.Provider.
func (a *ambient) Retrieve() (credentials.Value, error) { return a.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (a *ambient) IsExpired() bool { return a.current == nil || a.current.IsExpired() }
