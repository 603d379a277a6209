package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/cmd/kubectl-iotfile/page"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/ui"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// startPage serves the page of a running system: with its administrator's rights on the Kubernetes
// API, and as the sample service account on the REST API.
func startPage(ctx context.Context, system *devcluster.System) (*ui.Server, error) {
	tokens := &sampleTokens{make: system.SampleToken, token: system.Token, renew: time.Now().Add(renewAfter)}
	api := &ui.API{
		Server: system.URL, Namespace: devcluster.SampleNamespace, Token: tokens,
		Caller:    "system:serviceaccount:" + devcluster.SampleNamespace + ":" + devcluster.SampleAccount,
		TokenFrom: "the service account of the samples",
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 64, DisableCompression: true, ExpectContinueTimeout: continueTimeout, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
		},
	}
	return ui.New(ctx, ui.Options{
		Page: page.Files, Kube: system.ControlPlane.RESTConfig(), API: func(context.Context) (*ui.API, error) { return api, nil },
		LastPort: filepath.Join(filepath.Dir(system.EnvFile), "page-port"),
		Info:     ui.Info{Version: version.Number(), Context: "make run", Namespace: devcluster.SampleNamespace, Entity: devcluster.SampleEntity},
	})
}

const (
	// renewAfter is when another token is made. Each lasts for a day.
	renewAfter = 12 * time.Hour
	// continueTimeout is how long a body is held back: the operator waits up to ten seconds for a
	// place before it asks for one.
	continueTimeout = 12 * time.Second
)

// sampleTokens are tokens of the sample service account, for a system that runs for days.
type sampleTokens struct {
	make func(context.Context) (string, error)

	mu    sync.Mutex
	token string
	renew time.Time
}

// Token implements [ui.TokenSource].
func (s *sampleTokens) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().After(s.renew) {
		token, err := s.make(ctx)
		if err != nil {
			return "", err
		}
		s.token, s.renew = token, time.Now().Add(renewAfter)
	}
	return s.token, nil
}

// welcome prints what a person needs to know of the system, and serves the page until stop. A page
// that cannot be served does not keep anybody from the rest.
func welcome(ctx context.Context, system *devcluster.System) (stop func() error) {
	served, err := startPage(ctx, system)
	if err != nil {
		fmt.Fprintln(os.Stderr, "There is no page:", err)
		fmt.Println(system.Welcome(""))
		return func() error { return nil }
	}
	fmt.Println(system.Welcome(served.Link()))
	served.Prompt(os.Stdin, func(link string) { fmt.Println(link) })
	return served.Close
}
