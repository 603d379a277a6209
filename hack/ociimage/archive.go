package ociimage

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Annotations of what a layout holds: the first is for containerd, the second what the
// specification of the OCI has.
const (
	containerdName = "io.containerd.image.name"
	referenceName  = "org.opencontainers.image.ref.name"
)

// WriteImage writes an image as WriteIndex does.
func WriteImage(path, name string, image v1.Image) error {
	return writeArchive(path, func(to layout.Path) error { return to.AppendImage(image, named(name)) })
}

// WriteIndex writes an index, such as that of an image for several platforms, to a file at path, as
// an OCI image layout in a tar archive: what `ctr images import`, `docker load`, `kind load image-archive`,
// `skopeo copy oci-archive:` and `oras cp --from-oci-layout` read. The name is complete, with a
// registry and a tag: engines give names that are not a meaning of their own.
func WriteIndex(path, name string, index v1.ImageIndex) error {
	return writeArchive(path, func(to layout.Path) error { return to.AppendIndex(index, named(name)) })
}

func named(name string) layout.Option {
	_, tag, _ := strings.Cut(path.Base(name), ":")
	return layout.WithAnnotations(map[string]string{containerdName: name, referenceName: tag})
}

func writeArchive(file string, fill func(layout.Path) error) (err error) {
	dir, err := os.MkdirTemp("", "iotfile-oci-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if err := fill(to); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	archive := tar.NewWriter(out)
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		file := File{Path: "/" + filepath.ToSlash(relative), Mode: 0o644, Source: name}
		return file.write(archive)
	})
	if err != nil {
		return err
	}
	return archive.Close()
}
