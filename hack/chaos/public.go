package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster/mindconnect"
)

const (
	// publicClients is how many there are, each in a process of its own.
	publicClients = 2
	// shortestMild is how long faults are injected beside them at least.
	shortestMild = 40 * time.Second
)

// public is a client that was written for the real service, as npm has it. It knows no Retry-After:
// it tries each request at once, after 0.3 and after 0.9 s, and then aborts the upload.
type public struct {
	*user   // reads what the client has uploaded
	process *mindconnect.Client
	file    *file
}

// livePublic has public clients live behind a balancer, beside others, under the faults of the
// mild plan: after the wild one, which no client that gives up early survives.
func (w *world) livePublic(ctx context.Context, s settings) error {
	installed, err := mindconnect.Install(ctx)
	if errors.Is(err, devcluster.ErrNoNode) {
		w.report.say("THE PUBLIC CLIENT IS LEFT OUT: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	front, err := newBalancer(w.replicas.urls)
	if err != nil {
		return err
	}
	defer front.stop()
	s.clients /= 3 // they are there to be in the way, and no more
	clients := w.clients(s, 1)
	for i := range publicClients {
		p, err := mindconnect.Start(ctx, installed, front.url(), w.token)
		if err != nil {
			return err
		}
		defer func() { _ = p.Stop() }()
		clients = append(clients, &public{user: newUser(w, s.seed, 1000+i, nil), process: p})
	}
	if err := w.until(ctx, quiesceTimeout, func() error { return w.well(ctx) }); err != nil {
		return err
	}
	length := max(s.duration/2, shortestMild)
	p := newPlan(s.seed, length, mild, mildGap)
	fmt.Fprint(w.report.log, p)
	w.report.say("the faults beside the public client begin: %s", length)
	w.live(ctx, length, func(ctx context.Context) { w.injectInTurn(ctx, p) }, clients)
	return nil
}

func (c *public) live(faults, hard context.Context) {
	for good := true; good && faults.Err() == nil; {
		good = c.upload(hard) == nil
	}
}

// upload makes the next version of the client's file. A file of which it has lost an upload is left
// alone from then on: nobody can say what becomes of it.
func (c *public) upload(ctx context.Context) error {
	if c.file == nil || c.file.uncertain() {
		c.made++
		c.file = c.world.files.add(&file{entity: fmt.Sprintf("%032x", 1000+c.number), path: fmt.Sprintf("public/%d.bin", c.made)})
	}
	f := c.file
	a := f.begin(c.attempt(baseOf(f.last)))
	a.multipart = true
	body := content{name: fmt.Sprintf("%d/%s", c.world.seed, a.id), size: (2+c.rng.Int64N(3))*mindconnect.Chunk + 1 + c.rng.Int64N(mindconnect.Chunk)}
	a.pieces = []*piece{{number: 1, acked: &body}}
	path := filepath.Join(c.world.dir, fmt.Sprintf("public-%d.bin", c.number))
	if err := save(path, body); err != nil {
		c.world.violated(f, "the public client's file cannot be written: %v", err)
		return err
	}
	options := mindconnect.Options{"chunk": true, "parallelUploads": 3, "retry": 3, "description": a.id}
	if a.base != absent {
		options["ifMatch"] = a.base
	}
	began := time.Now()
	o, err := c.process.Call("UploadFile", f.entity, f.path, path, options)
	if err != nil {
		c.world.violated(f, "%v", err)
		return err
	}
	took := time.Since(began).Round(100 * time.Millisecond)
	fmt.Fprintf(c.world.report.log, "%s %s: %d bytes in %s %s\n", time.Now().Format("15:04:05.000"), a.id, body.size, took, o.Error)
	good := o.Error == ""
	written := operation{kind: opWrite, who: c.name, attempt: a, call: began}
	if good {
		written.end = time.Now()
		f.record(written)
		f.end(a, acked)
		good = c.read(ctx, f)
	} else {
		f.record(written)
		f.end(a, unknown)
		c.world.violated(f, "the public client has lost %s after %s: %s", a.id, took, o.Error)
	}
	c.world.report.uploaded(good, took)
	return nil
}

// save writes a content to a file.
func save(path string, c content) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, c.reader())
	return errors.Join(err, out.Close())
}
