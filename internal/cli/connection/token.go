package connection

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// chooseToken finds where tokens come from, in the order that the flags tell of.
func (f *Flags) chooseToken(ctx context.Context, c *Connection) error {
	if f.tokenFile != "" && f.serviceAccount != "" {
		return errors.New("give --token-file or --as-sa, not both")
	}
	_, projected := os.Stat(iotfile.DefaultTokenFile)
	switch {
	case f.tokenFile != "":
		c.Token, c.From = iotfile.TokenFile(f.tokenFile), "the file "+f.tokenFile
	case f.serviceAccount != "":
		return f.useServiceAccount(ctx, c)
	case os.Getenv(envToken) != "":
		c.Token, c.From = iotfile.StaticToken(os.Getenv(envToken)), "$"+envToken
	case projected == nil:
		c.Token, c.From = iotfile.TokenFile(iotfile.DefaultTokenFile), "the file "+iotfile.DefaultTokenFile
	default:
		return f.useOwn(ctx, c)
	}
	return nil
}

// useOwn takes the user's own token. It is good for the whole API server, so that it is sent where
// nobody can read it, or not at all.
func (f *Flags) useOwn(ctx context.Context, c *Connection) error {
	config, namespace, err := f.Kube()
	if err != nil {
		return fmt.Errorf("no token: give --token-file or --as-sa; and there is none of your own: %w", err)
	}
	if !c.Guarded() {
		return fmt.Errorf("your own token is not sent to %s without TLS: give an https:// address, or a token for this API alone by --as-sa or --token-file", c.Server)
	}
	own := ownToken{config}
	if _, err := own.Token(ctx); err != nil {
		return err
	}
	c.Token, c.From = own, "the kubeconfig"
	if c.Namespace == "" { // users have none of their own
		c.Namespace = namespace
	}
	return nil
}

// ownToken is the token that a kubeconfig has, or that the program gives which it names.
type ownToken struct{ config *rest.Config }

// Token implements [iotfile.TokenSource]. What would authenticate a request to the API server adds
// a token to one that is not sent.
func (o ownToken) Token(ctx context.Context) (string, error) {
	catcher := &catcher{}
	way, err := rest.HTTPWrappersForConfig(o.config, catcher)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.config.Host, nil)
	if err != nil {
		return "", err
	}
	answer, err := way.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("your own token: %w", err)
	}
	_ = answer.Body.Close()
	if catcher.token == "" {
		return "", errors.New("your kubeconfig has no token, which the REST API asks for: give --as-sa NAME to act as a service account, or --token-file")
	}
	return catcher.token, nil
}

// catcher keeps the token of a request, and sends nothing.
type catcher struct{ token string }

// RoundTrip implements http.RoundTripper.
func (c *catcher) RoundTrip(r *http.Request) (*http.Response, error) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		c.token = token
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}
