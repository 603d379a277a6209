package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster/mindconnect"
)

const (
	// publicClients upload at once, each one file after the other.
	publicClients = 2
	// publicBytes is the size of a file: two parts, and the rest with the completion.
	publicBytes = 2*mindconnect.Chunk + 1<<20
)

// public are clients that were written for the real service, as npm has them. They know no
// Retry-After: they try a request at once, after 0.3 and after 0.9 s, and then abort the upload.
type public struct {
	name                                 string
	installed, gateway, token, file, sum string

	mu    sync.Mutex
	made  int
	times latencies // of uploads
	lost  []string  // why, of those that were given up, or came out as something else
}

// measurePublic has public clients work in phases of their own. It returns none where there is no
// Node.js.
func measurePublic(ctx context.Context, b *testbed, phases []*floodPhase, s settings) ([]*floodPhase, error) {
	installed, err := mindconnect.Install(ctx)
	if errors.Is(err, devcluster.ErrNoNode) {
		fmt.Fprintln(os.Stderr, "THE PUBLIC CLIENT IS LEFT OUT:", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	quiet, err := b.tenant(ctx, "public", 1)
	if err != nil {
		return nil, err
	}
	gateway, _, _ := strings.Cut(quiet.url, "/api/iotfile/")
	token := strings.TrimPrefix(quiet.header["Authorization"], "Bearer ")
	file := filepath.Join(b.dir, "public.bin")
	content := bytes.Repeat(noise, publicBytes/len(noise))
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return nil, err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	for _, p := range phases {
		p.public = &public{name: strings.ReplaceAll(p.name, " ", "-"), installed: installed, gateway: gateway, token: token, file: file, sum: sum}
		if err := p.measure(ctx, b, p.public, s.phase); err != nil {
			return nil, err
		}
	}
	return phases, nil
}

// work uploads for a time.
func (c *public) work(ctx context.Context, length time.Duration) error {
	var group sync.WaitGroup
	failures := make([]error, publicClients)
	end := time.Now().Add(length)
	for i := range failures {
		group.Go(func() { failures[i] = c.one(ctx, end) })
	}
	group.Wait()
	return errors.Join(failures...)
}

// one is one of the clients.
func (c *public) one(ctx context.Context, end time.Time) error {
	client, err := mindconnect.Start(ctx, c.installed, c.gateway, c.token)
	if err != nil {
		return err
	}
	for time.Now().Before(end) && ctx.Err() == nil && err == nil {
		err = c.upload(client)
	}
	return errors.Join(err, client.Stop())
}

// upload sends a file, and deletes it again, so that the disk does not fill.
func (c *public) upload(client *mindconnect.Client) error {
	c.mu.Lock()
	c.made++
	name := fmt.Sprintf("%s-%d.bin", c.name, c.made)
	c.mu.Unlock()
	began := time.Now()
	o, err := client.Call("UploadFile", entity, name, c.file, mindconnect.Options{"chunk": true, "parallelUploads": 3, "retry": 3})
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	if o.Error == "" {
		if o.Error, err = c.compare(client, name); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.times = append(c.times, took)
	if o.Error != "" {
		c.lost = append(c.lost, o.Error)
	}
	c.mu.Unlock()
	_, err = client.Call("DeleteFile", entity, name)
	return err
}

// compare reads a file back and says what is wrong with it. A read that fails says nothing.
func (c *public) compare(client *mindconnect.Client, name string) (wrong string, err error) {
	o, err := client.Call("GetFile", entity, name)
	if err != nil || o.Error != "" {
		return "", err
	}
	var got struct {
		SHA256 string
		Size   int
	}
	if err := json.Unmarshal(o.Value, &got); err != nil {
		return "", err
	}
	if got.SHA256 != c.sum {
		return fmt.Sprintf("the file came out with %d bytes of %d, or with others", got.Size, publicBytes), nil
	}
	return "", nil
}

// printPublic prints how many of the public clients' uploads were lost.
func printPublic(phases []*floodPhase) {
	if len(phases) == 0 {
		return
	}
	fmt.Printf("\nThe public client, %d of them: files of %d MiB in chunks of %d MiB, three in parallel, with retry: 3.\n\n",
		publicClients, publicBytes>>20, mindconnect.Chunk>>20)
	line := func(name string, cell func(*floodPhase) string) { printLine(phases, name, cell) }
	line("public client", func(p *floodPhase) string { return p.name })
	fmt.Println("|---" + strings.Repeat("|--:", len(phases)) + "|")
	line("uploads", func(p *floodPhase) string { return fmt.Sprint(p.public.made) })
	line("uploads lost", func(p *floodPhase) string { return fmt.Sprint(len(p.public.lost)) })
	line("p50 / p99 in s", func(p *floodPhase) string {
		return fmt.Sprintf("%.1f / %.1f", percentile(p.public.times, 50), percentile(p.public.times, 99))
	})
	line("answers to the flood", (*floodPhase).answers)
	for _, p := range phases {
		if len(p.public.lost) > 0 {
			fmt.Printf("\nThe first upload lost %s: %s\n", p.name, p.public.lost[0])
		}
	}
}
