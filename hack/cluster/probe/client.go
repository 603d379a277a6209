package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Where the pod has what an application is given, and the variable that says where the REST API is.
const (
	identityFile      = "/var/run/secrets/iotfile/token"
	otherAudienceFile = "/var/run/secrets/iotfile/other-audience"
	caFile            = "/etc/iotfile/ca.crt"
	urlVariable       = "IOTFILE_URL"
)

const minPart = 5 << 20

// api is the REST API, as an application of a namespace sees it.
type api struct {
	http *http.Client
	base string
	// token gives what stands behind "Bearer"; nil for requests without a token.
	token func() (string, error)
}

// newAPI uses connections again where keep is set, and else makes one for each request.
func newAPI(keep bool) (*api, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return &api{
		base: os.Getenv(urlVariable) + "/api/iotfile/v3", token: fromFile(identityFile),
		http: &http.Client{
			Timeout:       2 * time.Minute,
			Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: !keep, MaxIdleConnsPerHost: 8},
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("nothing is ever redirected") },
		},
	}, nil
}

// fromFile reads the token anew for each request: the kubelet replaces it before it expires.
func fromFile(path string) func() (string, error) {
	return func() (string, error) {
		data, err := os.ReadFile(path)
		return strings.TrimSpace(string(data)), err
	}
}

// file is a file, by its address.
type file struct{ entity, path string }

// newFile is one of an entity of its own.
func newFile(path string) file {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return file{hex.EncodeToString(id), path}
}

func (f file) url(query string) string { return "/files/" + f.entity + "/" + f.path + query }
func (f file) list() string            { return "/fileslist/" + f.entity + "/" + f.path }

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request whose header is given as name, value, name, value.
func (a *api) do(ctx context.Context, method, path string, body []byte, header ...string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return a.send(req)
}

func (a *api) send(req *http.Request) (*answer, error) {
	if a.token != nil {
		token, err := a.token()
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("the answer is cut: %w", err)
	}
	return &answer{res.StatusCode, res.Header, body}, nil
}

// want is do, and an error for any other status.
func (a *api) want(ctx context.Context, status int, method, path string, body []byte, header ...string) (*answer, error) {
	res, err := a.do(ctx, method, path, body, header...)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.status != status {
		return nil, fmt.Errorf("%s %s: %d instead of %d: %s", method, path, res.status, status, res.body)
	}
	return res, nil
}

// content makes bytes that only the seed determines, so that another process can tell whether they
// are right.
func content(seed string, size int) []byte {
	out := make([]byte, 0, size+sha256.Size)
	block := sha256.Sum256([]byte(seed))
	for len(out) < size {
		out = append(out, block[:]...)
		block = sha256.Sum256(block[:])
	}
	return out[:size]
}

// same compares a body with what was sent.
func same(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d other bytes than the %d that were sent", len(got), len(want))
	}
	return nil
}
