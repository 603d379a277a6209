package main

import (
	"context"
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/iotfile-operator/iotfile-operator/hack/ociimage"
)

// imageName is how the image of a program is called.
func imageName(program string) string {
	if program == operator {
		return "iotfile-operator"
	}
	return program
}

// archive is the file that has the image, or the chart, of that name.
func (r *release) archive(name string) string {
	return filepath.Join(r.to, name+"-"+r.version+".oci.tar")
}

// images makes an OCI layout of each program's image, for all platforms of Linux.
func (r *release) images(ctx context.Context) error {
	for name, describe := range map[string]describer{operator: ociimage.Operator, cli: ociimage.CLI} {
		index, err := r.imageFor(ctx, name, describe)
		if err != nil {
			return err
		}
		if err := ociimage.WriteIndex(r.archive(imageName(name)), r.reference(imageName(name)), index); err != nil {
			return err
		}
		if name == operator {
			digest, err := index.Digest()
			if err != nil {
				return err
			}
			r.operatorDigest = digest.String()
		}
	}
	return nil
}

// describer says what is in an image beside the binary.
type describer func(ctx context.Context, root, goarch, binary string) (*ociimage.Image, error)

// imageFor makes a program's image for all platforms of Linux.
func (r *release) imageFor(ctx context.Context, name string, describe describer) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, on := range r.platforms {
		if on.os != "linux" {
			continue
		}
		image, err := describe(ctx, r.root, on.arch, r.program(name, on))
		if err != nil {
			return nil, err
		}
		// https://github.com/opencontainers/image-spec/blob/main/annotations.md
		image.Labels = map[string]string{
			"org.opencontainers.image.title": imageName(name), "org.opencontainers.image.version": r.version,
			"org.opencontainers.image.source": repository, "org.opencontainers.image.licenses": "Apache-2.0",
		}
		built, err := image.Build(on.arch, r.made)
		if err != nil {
			return nil, fmt.Errorf("%s for %s: %w", name, on, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: built, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: on.os, Architecture: on.arch}}})
	}
	return index, nil
}

// reference is how a registry knows the image or chart of that name.
func (r *release) reference(name string) string { return r.registry + "/" + name + ":" + r.version }
