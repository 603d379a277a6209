package s3

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// renewed gives keys that last for an hour, or err.
type renewed struct {
	credentials.Expiry
	asked int
	err   error
}

func (r *renewed) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	r.asked++
	if r.err != nil {
		return credentials.Value{}, r.err
	}
	over := time.Now().Add(time.Hour)
	r.SetExpiration(over, credentials.DefaultExpiryWindow)
	return credentials.Value{AccessKeyID: "id", SecretAccessKey: "hunter2", Expiration: over}, nil
}

func (r *renewed) Retrieve() (credentials.Value, error) { return r.RetrieveWithCredContext(nil) }

// TestKeysOutliveTheirService: keys that cannot be renewed are used until they are over, and the
// service is not asked for each request meanwhile.
func TestKeysOutliveTheirService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &renewed{}
		keys := credentials.New(&ambient{hint: noKeys, providers: []credentials.Provider{service}})
		good := func(when string, asked int) {
			t.Helper()
			if _, err := keys.GetWithContext(nil); err != nil || service.asked != asked {
				t.Errorf("%s: %v, and the service was asked %d times, not %d", when, err, service.asked, asked)
			}
		}
		good("at first", 1)
		good("at once", 1)
		service.err = errors.New("away")
		time.Sleep(50 * time.Minute)
		good("when they are to be renewed", 2)
		good("just after that", 2)
		time.Sleep(askAgain)
		good("some seconds later", 3)
		service.err = nil
		time.Sleep(askAgain)
		good("when the service is there again", 4)
		good("with new keys", 4)
		service.err = errors.New("away")
		time.Sleep(time.Hour - askAgain/3)
		good("until the end", 5)
		time.Sleep(askAgain / 3)
		var none *identityError
		if _, err := keys.GetWithContext(nil); !errors.As(err, &none) || service.asked != 6 {
			t.Errorf("when they are over: %v, and the service was asked %d times", err, service.asked)
		}
	})
}
