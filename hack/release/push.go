package main

import (
	"archive/tar"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// push sends the images and the chart of a release to a registry, with the login of docker or
// podman, and prints what they are called there, by digest. What the registry has is not sent
// again.
func push(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release push", flag.ExitOnError)
	from := flags.String("from", filepath.Join("bin", "release"), "the directory that has the release")
	registry := flags.String("registry", publicRegistry, "where to send it: HOST/PATH; one on this machine is spoken to without TLS")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := &release{to: *from, version: version.Number(), registry: *registry}
	for _, one := range []struct{ archive, repository string }{
		{imageName(operator), imageName(operator)}, {imageName(cli), imageName(cli)}, {chartArchive, chartRepository},
	} {
		digest, err := r.pushOne(ctx, r.archive(one.archive), r.reference(one.repository))
		if err != nil {
			return fmt.Errorf("%s: %w", one.archive, err)
		}
		fmt.Printf("%s@%s\n", r.reference(one.repository), digest)
	}
	return nil
}

func (r *release) pushOne(ctx context.Context, archive, reference string) (digest v1.Hash, err error) {
	to, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return digest, err
	}
	dir, err := os.MkdirTemp("", "iotfile-push-")
	if err != nil {
		return digest, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := unpack(archive, dir); err != nil {
		return digest, err
	}
	held, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return digest, err
	}
	manifest, err := held.IndexManifest()
	if err != nil {
		return digest, err
	}
	if len(manifest.Manifests) != 1 {
		return digest, fmt.Errorf("%s holds %d things, not one", archive, len(manifest.Manifests))
	}
	one := manifest.Manifests[0]
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if one.MediaType.IsIndex() {
		index, err := held.ImageIndex(one.Digest)
		if err != nil {
			return digest, err
		}
		return one.Digest, remote.WriteIndex(to, index, options...)
	}
	image, err := held.Image(one.Digest)
	if err != nil {
		return digest, err
	}
	return one.Digest, remote.Write(to, image, options...)
}

// unpack writes the files of an archive of this program to a directory.
func unpack(path, dir string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for archive := tar.NewReader(file); ; {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := unpackFile(root, header.Name, archive); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := root.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
