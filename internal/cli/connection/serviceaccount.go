package connection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// saLifetime is how long a token of --as-sa is asked for: the shortest that the API server need not
// refuse is ten minutes, and one that gets lost is good for no longer than this.
const saLifetime = time.Hour

// useServiceAccount takes tokens that the API server makes for a service account, for this API
// alone.
func (f *Flags) useServiceAccount(ctx context.Context, c *Connection) error {
	config, namespace, err := f.Kube()
	if err != nil {
		return err
	}
	name := f.serviceAccount
	if before, after, ok := strings.Cut(name, "/"); ok {
		namespace, name = before, after
	}
	if namespace == "" || name == "" || strings.Contains(name, "/") {
		return errors.New("--as-sa takes NAME or NAMESPACE/NAME")
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	source := &accountToken{accounts: kube.CoreV1().ServiceAccounts(namespace), namespace: namespace, name: name, audience: f.audience, now: time.Now}
	if _, err := source.Token(ctx); err != nil {
		return err
	}
	c.Token, c.From = source, "the service account "+namespace+"/"+name
	return nil
}

// accountToken is a token that is replaced before it ends.
type accountToken struct {
	accounts                  corev1.ServiceAccountInterface
	namespace, name, audience string
	now                       func() time.Time

	mu           sync.Mutex
	token        iotfile.StaticToken
	renew, until time.Time
}

// Token implements [iotfile.TokenSource]. While the API server is away it gives the token that it
// has, as long as that is good.
func (a *accountToken) Token(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if now.Before(a.renew) {
		return string(a.token), nil
	}
	seconds := int64(saLifetime.Seconds())
	answer, err := a.accounts.CreateToken(ctx, a.name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{a.audience}, ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		if now.Before(a.until) {
			// Not for each request: a minute of an API server that is away is not to be a flood.
			a.renew = now.Add(min(time.Minute, a.until.Sub(now)))
			return string(a.token), nil
		}
		return "", fmt.Errorf("a token of the service account %s/%s: %w", a.namespace, a.name, err)
	}
	// What is told as a duration, which a wrong clock on this machine does not change.
	life := saLifetime
	if granted := answer.Spec.ExpirationSeconds; granted != nil {
		life = time.Duration(*granted) * time.Second
	}
	a.token, a.until = iotfile.StaticToken(answer.Status.Token), now.Add(life)
	// As the kubelet does: at four fifths of its life.
	a.renew = now.Add(life * 4 / 5)
	return string(a.token), nil
}
