package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// library is an application that uses the Go client, and nothing else: it repeats nothing itself,
// so each call has to have success. It has a file of its own.
type library struct {
	*user
	client *iotfile.Client
	file   *file
	// replaced is how many versions were acknowledged.
	replaced int
}

// newLibrary makes one that uses the REST API at address.
func newLibrary(w *world, seed uint64, number int, address string) (*library, error) {
	c, err := iotfile.New(address, &iotfile.Options{Token: iotfile.StaticToken(w.token)})
	return &library{user: newUser(w, seed, number, nil), client: c}, err
}

func (c *library) live(faults, hard context.Context) {
	for good := true; good && faults.Err() == nil; {
		good = c.replace(hard)
		_ = sleep(faults, time.Duration(c.dice()*float64(time.Second)))
	}
	c.world.report.say("the Go client has replaced its file %d times", c.replaced)
}

// replace makes the next version of the file, in one request or in parts, and reads it back. It
// reports whether the client goes on with it.
func (c *library) replace(ctx context.Context) bool {
	if c.file == nil {
		c.file = c.world.files.add(&file{entity: fmt.Sprintf("%032x", 1000+c.number), path: "library.bin"})
	}
	f := c.file
	a := f.begin(c.attempt(baseOf(f.last)))
	body := content{name: fmt.Sprintf("%d/%s", c.world.seed, a.id), size: 1 + c.rng.Int64N(5*smallest)}
	a.multipart = body.size > smallest
	a.pieces = []*piece{{number: 1, acked: &body}}
	began := time.Now()
	version, err := c.send(ctx, f, a, body)
	written := operation{kind: opWrite, who: c.name, attempt: a, call: began}
	if err == nil {
		written.end = time.Now()
	}
	f.record(written)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		f.end(a, unknown)
		return false
	case err != nil:
		f.end(a, unknown)
		c.world.violated(f, "the Go client has lost %s after %s: %v", a.id, time.Since(began).Round(100*time.Millisecond), err)
		return false
	}
	f.end(a, acked)
	c.replaced++
	c.world.report.acknowledged(a)
	if version != a.version() {
		c.world.violated(f, "%s has the version %d for the Go client", describe(a), version)
	}
	return c.read(ctx, f)
}

// send uploads a content as the next version, and gives the version that it has got.
func (c *library) send(ctx context.Context, f *file, a *attempt, body content) (int64, error) {
	path := filepath.Join(c.world.dir, fmt.Sprintf("library-%d.bin", c.number))
	if err := save(path, body); err != nil {
		return 0, err
	}
	source, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = source.Close() }()
	options := &iotfile.UploadOptions{Description: a.id, PartSize: smallest, Concurrency: 2}
	if a.base != absent {
		options.IfMatch = &a.base
	}
	sent, err := c.client.Upload(ctx, f.entity+"/"+f.path, source, body.size, options)
	if err != nil {
		return 0, err
	}
	return sent.Version, nil
}
