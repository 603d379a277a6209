package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// newLibrary is the Go client, with what an application is given.
func newLibrary() (*iotfile.Client, error) {
	return iotfile.New(os.Getenv(urlVariable), &iotfile.Options{Token: iotfile.TokenFile(identityFile), CAFile: caFile})
}

func (f file) name() string { return f.entity + "/" + f.path }

// update replaces a file twice, and is refused where it would do so unasked.
func update(ctx context.Context, _ *api) error {
	l, err := newLibrary()
	if err != nil {
		return err
	}
	f := newFile("state.bin")
	store := func(version int, ifMatch *int64) error {
		whole := content(fmt.Sprint(f.entity, version), 2*minPart+1000)
		got, err := l.Upload(ctx, f.name(), bytes.NewReader(whole), int64(len(whole)), &iotfile.UploadOptions{
			IfMatch: ifMatch, PartSize: minPart,
			Key: rand.Text(), // the operator that is upgraded takes a known key for the same upload, also of one that has ended
		})
		if err == nil && got.Version != int64(version) {
			err = fmt.Errorf("after %d updates the version is %d", version, got.Version)
		}
		return err
	}
	if err := errors.Join(store(0, nil), store(1, new(int64(0))), store(2, new(int64(1)))); err != nil {
		return err
	}
	for _, ifMatch := range []*int64{nil, new(int64(0))} {
		if err := store(3, ifMatch); !errors.Is(err, iotfile.ErrConflict) {
			return fmt.Errorf("not a conflict, but %w", err)
		}
	}
	return compare(ctx, l, f, content(f.entity+"2", 2*minPart+1000))
}

// compare reads a file whole, and compares it.
func compare(ctx context.Context, l *iotfile.Client, f file, want []byte) error {
	r, err := l.Open(ctx, f.name())
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return same(got, want)
}

// simple stores a file in one request, looks at it, reads from its middle and deletes it.
func simple(ctx context.Context, _ *api) error {
	l, err := newLibrary()
	if err != nil {
		return err
	}
	f := newFile("simple.bin")
	whole := content(f.entity, 64<<10)
	if _, err := l.Upload(ctx, f.name(), bytes.NewReader(whole), int64(len(whole)), nil); err != nil {
		return err
	}
	r, err := l.Open(ctx, f.name())
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if r.Stat().Size != 64<<10 {
		return fmt.Errorf("the size is %d", r.Stat().Size)
	}
	part := make([]byte, 100)
	_, err = r.Seek(100, io.SeekStart)
	if err == nil {
		_, err = io.ReadFull(r, part)
	}
	if err := errors.Join(err, same(part, whole[100:200]), l.Delete(ctx, f.name(), nil)); err != nil {
		return err
	}
	if _, err := l.Stat(ctx, f.name()); !errors.Is(err, iotfile.ErrNotFound) {
		return fmt.Errorf("a file that was deleted is not missing, but %w", err)
	}
	return nil
}

// search finds one of two files.
func search(ctx context.Context, _ *api) error {
	l, err := newLibrary()
	if err != nil {
		return err
	}
	f := newFile("found/one.bin")
	other := file{f.entity, "found/two.bin"}
	_, one := l.Upload(ctx, f.name(), bytes.NewReader(content("1", 10)), 10, nil)
	_, two := l.Upload(ctx, other.name(), bytes.NewReader(content("2", 20)), 20, nil)
	if err := errors.Join(one, two); err != nil {
		return err
	}
	found := 0
	for got, err := range l.Search(ctx, f.entity, &iotfile.SearchOptions{Filter: `name eq "two.bin"`}) {
		if err != nil {
			return err
		}
		if found++; got.Path != other.name() || got.Size != 20 {
			return fmt.Errorf("found %+v", got)
		}
	}
	if found != 1 {
		return fmt.Errorf("found %d files", found)
	}
	return nil
}
