package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// Bounds of one step, and of each of its races.
const (
	stepLimit = 3 * time.Minute
	raceLimit = 5 * time.Second
)

const minPart = 5 << 20

// step is one thing that is tried.
type step struct {
	name string
	try  func(ctx context.Context) error
}

// runFlow tries the REST API on two replicas that use the store, prints what each step came to and
// what the FileStore says, and reports whether all has passed.
func runFlow(ctx context.Context, s *settings, dir string, out io.Writer) (passed bool, err error) {
	system, err := devcluster.Up(ctx, devcluster.Options{Dir: dir, External: &s.store, Log: os.Stderr})
	if err != nil {
		return false, fmt.Errorf("start the operator: %w", err)
	}
	defer func() { err = errors.Join(err, system.Stop()) }()
	second, err := system.AddReplica(ctx)
	if err != nil {
		return false, err
	}
	a := &api{urls: []string{system.URL, second.URL}, token: system.Token, entity: strings.ToLower(fmt.Sprintf("%x", random(16))), client: &http.Client{}}
	f := &flow{api: a, settings: s, out: out}
	if err := f.readCapabilities(ctx, system); err != nil {
		return false, err
	}
	fmt.Fprintf(out, "The REST API, on two replicas:\n")
	passed = true
	for _, step := range f.steps() {
		began := time.Now()
		err := f.bounded(ctx, step.try)
		word := "ok"
		switch {
		case errors.Is(err, errLeftOut):
			word = "left out: " + err.Error()
		case errors.Is(err, errNotProtected):
			word = "not protected: " + err.Error()
		case err != nil:
			passed, word = false, "FAILED: "+err.Error()
		}
		fmt.Fprintf(out, "  %6.1fs  %s: %s\n", time.Since(began).Seconds(), step.name, word)
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
	}
	return passed, tellStore(ctx, system, out)
}

func (f *flow) bounded(ctx context.Context, try func(context.Context) error) error {
	most := stepLimit + time.Duration(f.settings.races)*raceLimit
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("not done within %s", most))
	defer cancel()
	return try(ctx)
}

// tellStore prints what a platform team sees of the store.
func tellStore(ctx context.Context, system *devcluster.System, out io.Writer) error {
	for _, args := range [][]string{{"get", "filestore", "default"}, {"describe", "filestore", "default"}} {
		cmd := exec.CommandContext(ctx, system.Kubectl(), append([]string{"--kubeconfig", system.ControlPlane.Kubeconfig}, args...)...)
		text, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, text)
		}
		fmt.Fprintf(out, "\n$ kubectl %s\n%s", strings.Join(args, " "), text)
	}
	return nil
}

type flow struct {
	*api
	settings     *settings
	out          io.Writer
	capabilities v1alpha1.FileStoreCapabilities
}

// readCapabilities reads what the probe has found.
func (f *flow) readCapabilities(ctx context.Context, system *devcluster.System) error {
	cmd := exec.CommandContext(ctx, system.Kubectl(), "--kubeconfig", system.ControlPlane.Kubeconfig, "get", "filestore", "default", "-o", "jsonpath={.status.capabilities}")
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("read the FileStore: %w", err)
	}
	if err := json.Unmarshal(text, &f.capabilities); err != nil {
		return fmt.Errorf("the capabilities of the FileStore are %q: %w", text, err)
	}
	return nil
}

func (f *flow) steps() []step {
	steps := []step{
		{"a file in parts, a part of it sent twice", f.uploadTwice},
		{"a part whose connection breaks, and again", f.uploadCut},
		{"a file in one request, updated under If-Match", f.put},
		{"a file in parts under If-Match", f.uploadUpdate},
		{"an upload aborted, and started anew", f.abort},
		{"names", f.names},
		{"reads while the file is replaced", f.readers},
		{"an upload that object storage loses", f.lost},
	}
	for _, kind := range raceKinds {
		steps = append(steps, step{fmt.Sprintf("%d races of %s", f.settings.races, kind.name), func(ctx context.Context) error { return f.race(ctx, kind) }})
	}
	return steps
}

// name makes the path of a file that nobody else has.
func (f *flow) name(what string) string { return f.file(what + "/" + rand.Text()) }

func (f *flow) uploadTwice(ctx context.Context) error {
	path, first, last := f.name("twice"), random(minPart), random(1000)
	for _, r := range []struct {
		query   string
		content []byte
	}{{"?upload=start", nil}, {"?part=1", random(minPart)}, {"?part=1", first}, {"?part=1", first}, {"?upload=complete", last}} {
		if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+r.query, r.content); err != nil {
			if r.query != "?upload=complete" {
				return err
			}
			// Of two copies of one second it may not be told which is the last one: the part is
			// missing then, and sent again, in another second.
			time.Sleep(2 * time.Second)
			if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+"?part=1", first); err != nil {
				return err
			}
			if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+r.query, r.content); err != nil {
				return err
			}
		}
	}
	return f.wantFile(ctx, path, append(slices.Clone(first), last...))
}

func (f *flow) uploadCut(ctx context.Context) error {
	path, part := f.name("cut"), random(minPart)
	if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+"?upload=start", nil); err != nil {
		return err
	}
	broken := io.MultiReader(bytes.NewReader(part[:minPart/2]), failing{})
	if got, err := f.do(ctx, 0, http.MethodPut, path+"?part=1", broken, len(part)); err == nil {
		return fmt.Errorf("a part that was cut is answered with %d", got.status)
	}
	for _, query := range []string{"?part=1", "?upload=complete"} {
		content := part
		if query != "?part=1" {
			content = nil
		}
		if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+query, content); err != nil {
			return err
		}
	}
	return f.wantFile(ctx, path, part)
}

func (f *flow) put(ctx context.Context) error {
	path := f.name("put")
	for _, r := range []struct {
		status  int
		content string
		header  []string
	}{
		{http.StatusCreated, "version 0", nil},
		{http.StatusConflict, "refused", nil},
		{http.StatusNoContent, "version 1", []string{"If-Match", "0"}},
		{http.StatusConflict, "refused", []string{"If-Match", "0"}},
	} {
		if _, err := f.want(ctx, r.status, http.MethodPut, path, []byte(r.content), r.header...); err != nil {
			return err
		}
	}
	if err := f.wantFile(ctx, path, []byte("version 1")); err != nil {
		return err
	}
	if _, err := f.want(ctx, http.StatusNoContent, http.MethodDelete, path, nil); err != nil {
		return err
	}
	_, err := f.want(ctx, http.StatusNotFound, http.MethodGet, path, nil)
	return err
}

func (f *flow) uploadUpdate(ctx context.Context) error {
	path, next := f.name("update"), random(70_000)
	if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path, []byte("version 0")); err != nil {
		return err
	}
	for _, query := range []string{"?upload=start", "?upload=complete"} {
		content := next
		if query == "?upload=start" {
			content = nil
		}
		if _, err := f.want(ctx, http.StatusNoContent, http.MethodPut, path+query, content, "If-Match", "0"); err != nil {
			return err
		}
	}
	return f.wantFile(ctx, path, next)
}

func (f *flow) abort(ctx context.Context) error {
	path, part := f.name("abort"), random(minPart)
	for range 2 {
		for _, r := range []struct {
			status  int
			query   string
			content []byte
		}{{http.StatusCreated, "?upload=start", nil}, {http.StatusCreated, "?part=1", part}, {http.StatusNoContent, "?upload=abort", nil}} {
			if _, err := f.want(ctx, r.status, http.MethodPut, path+r.query, r.content); err != nil {
				return err
			}
		}
	}
	_, err := f.want(ctx, http.StatusNotFound, http.MethodGet, path, nil)
	return err
}

// names: each name is stored as it is, or refused at once.
func (f *flow) names(ctx context.Context) error {
	for _, name := range []string{
		"with blank", "percent%41%2F", "plus+hash#query?", "umlaut-äöü", "日本語/ファイル.bin", "🛰️", `back\slash`, "colon:;,", ".hidden", "trailing.",
		strings.Repeat("s", 255), strings.Repeat("s", 256), strings.TrimSuffix(strings.Repeat(strings.Repeat("k", 100)+"/", 9), "/"),
	} {
		path := f.file("names/" + rand.Text() + "/" + name)
		if err := errors.Join(f.nameAtOnce(ctx, path, name), f.nameInParts(ctx, path, name)); err != nil {
			return err
		}
	}
	return nil
}

// nameAtOnce stores, reads and deletes a file in one request each, unless its name is refused.
func (f *flow) nameAtOnce(ctx context.Context, path, name string) error {
	got, err := f.send(ctx, 0, http.MethodPut, path, []byte(name))
	switch {
	case err != nil || got.status == http.StatusBadRequest:
		return err
	case got.status != http.StatusCreated:
		return fmt.Errorf("PUT %s: %d %s", path, got.status, clip(got.body))
	}
	if err := f.wantFile(ctx, path, []byte(name)); err != nil {
		return err
	}
	_, err = f.want(ctx, http.StatusNoContent, http.MethodDelete, path, nil)
	return err
}

// nameInParts is the same of an upload.
func (f *flow) nameInParts(ctx context.Context, path, name string) error {
	got, err := f.send(ctx, 0, http.MethodPut, path+"?upload=start", nil)
	switch {
	case err != nil || got.status == http.StatusBadRequest:
		return err
	case got.status != http.StatusCreated:
		return fmt.Errorf("PUT %s?upload=start: %d %s", path, got.status, clip(got.body))
	}
	if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+"?upload=complete", []byte(name)); err != nil {
		return err
	}
	return f.wantFile(ctx, path, []byte(name))
}
