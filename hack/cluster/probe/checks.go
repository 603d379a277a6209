package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"
)

// check is one thing that an application may rely on.
type check struct {
	name string
	run  func(ctx context.Context, a *api) error
}

// all are in the order in which they run; each has files of its own.
var all = []check{
	{"the pod has no other credentials", noOtherCredentials},
	{"TLS by an authority that is not trusted is refused", unknownAuthority},
	{"no token: 401", noToken},
	{"a token that is none: 401", badToken},
	{"a token for another audience: 401", otherAudience},
	{"another namespace: 403", otherNamespace},
	{"start, parts in any order, list, complete with a body, read back", upload},
	{"the Go client: updates, conflicts, versions", update},
	{"abort: parts and record are gone", abort},
	{"parts that are missing or too small", badParts},
	{"the Go client: a file in one request, range, delete, not found", simple},
	{"the Go client: search", search},
}

// checks runs all of them, also behind one that fails, and prints for each what became of it.
func checks(ctx context.Context, _ []string) error {
	a, err := newAPI(true)
	if err != nil {
		return err
	}
	failed := 0
	out := json.NewEncoder(os.Stdout)
	for _, c := range all {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
		began := time.Now()
		result := result{Check: c.name}
		if err := c.run(ctx, a); err != nil {
			failed++
			result.Error = err.Error()
		}
		cancel()
		result.Milliseconds = time.Since(began).Milliseconds()
		if err := out.Encode(result); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(all))
	}
	return nil
}

// result is a line of the output.
type result struct {
	Check        string `json:"check"`
	Milliseconds int64  `json:"milliseconds"`
	Error        string `json:"error,omitempty"`
}

// noOtherCredentials proves what the rest of the checks is worth: nothing but the projected token
// is there to be used.
func noOtherCredentials(context.Context, *api) error {
	const mounted = "/var/run/secrets/kubernetes.io"
	if _, err := os.Stat(mounted); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there", mounted)
	}
	if os.Getuid() == 0 {
		return errors.New("this is root")
	}
	return nil
}

func unknownAuthority(ctx context.Context, a *api) error {
	other := &api{base: a.base, http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}}}
	_, err := other.do(ctx, http.MethodGet, newFile("x").url(""), nil)
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		return nil
	}
	return errors.Join(errors.New("no complaint about the certificate"), err)
}

// refused asks for a file with another token, or none, and expects a status for reads as for
// writes.
func refused(ctx context.Context, a *api, status int, token func() (string, error)) error {
	other := &api{base: a.base, http: a.http, token: token}
	_, read := other.want(ctx, status, http.MethodGet, newFile("x").url(""), nil)
	_, write := other.want(ctx, status, http.MethodPut, newFile("x").url("?upload=start"), nil)
	return errors.Join(read, write)
}

func noToken(ctx context.Context, a *api) error { return refused(ctx, a, 401, nil) }

func badToken(ctx context.Context, a *api) error {
	return refused(ctx, a, 401, func() (string, error) { return "e30.e30.e30", nil })
}

func otherAudience(ctx context.Context, a *api) error {
	return refused(ctx, a, 401, fromFile(otherAudienceFile))
}

func otherNamespace(ctx context.Context, a *api) error {
	other := &api{base: strings.Replace(a.base, "/api/", "/namespaces/team-b/api/", 1), http: a.http, token: a.token}
	return refused(ctx, other, 403, a.token)
}

// upload is the main job.
func upload(ctx context.Context, a *api) error {
	f := newFile("logs/engine%20%C3%BC.bin")
	whole := content(f.entity, 2*minPart+1000)
	if _, err := a.want(ctx, 201, http.MethodPut, f.url("?upload=start"), nil, "Content-Type", "application/x-engine"); err != nil {
		return err
	}
	_, again := a.want(ctx, 400, http.MethodPut, f.url("?upload=start"), nil)
	_, second := a.want(ctx, 201, http.MethodPut, f.url("?part=2"), whole[minPart:2*minPart])
	_, first := a.want(ctx, 201, http.MethodPut, f.url("?part=1"), whole[:minPart])
	if err := errors.Join(again, second, first); err != nil {
		return err
	}
	listed, err := a.want(ctx, 200, http.MethodGet, f.list(), nil)
	if err != nil {
		return err
	}
	var parts []struct{ PartNo int }
	if json.Unmarshal(listed.body, &parts) != nil || len(parts) != 2 || parts[0].PartNo != 1 || parts[1].PartNo != 2 {
		return fmt.Errorf("two parts are listed as %s", listed.body)
	}
	done, err := a.want(ctx, 201, http.MethodPut, f.url("?upload=complete"), whole[2*minPart:])
	if err != nil {
		return err
	}
	if etag := done.header.Get("ETag"); etag != "0" {
		return fmt.Errorf("a new file has the ETag %q", etag)
	}
	read, err := a.want(ctx, 200, http.MethodGet, f.url(""), nil)
	if err != nil {
		return err
	}
	if got := read.header.Get("Content-Type"); got != "application/x-engine" {
		return fmt.Errorf("the Content-Type is %q", got)
	}
	return same(read.body, whole)
}
