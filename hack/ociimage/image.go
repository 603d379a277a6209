// Package ociimage makes container images without a container engine: a few files, who runs what,
// and nothing else. The same content gives the same digest, whoever makes it and when.
package ociimage

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is a file of an image. All files belong to root, and none has a time.
type File struct {
	// Path is absolute. The directories on the way are made.
	Path string
	Mode fs.FileMode
	// Source is the file that has the content; Content is the content where Source is empty.
	Source  string
	Content []byte
}

// Image is what an image holds and how it is run.
type Image struct {
	Files      []File
	Entrypoint []string
	// User is "UID:GID", in digits: there may be no /etc/passwd to look names up in, and
	// Kubernetes' runAsNonRoot believes no name.
	User string
	// Labels may be nil.
	Labels map[string]string
}

// Build makes the image for Linux on the architecture goarch. It reads each Source, and keeps the
// compressed layer in memory. The image says that it was made at the time created.
func (i *Image) Build(goarch string, created time.Time) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(i.openLayer, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	image, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), &v1.ConfigFile{
		Architecture: goarch, OS: "linux", Created: v1.Time{Time: created.UTC()}, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: i.Entrypoint, User: i.User, WorkingDir: "/", Labels: i.Labels},
	})
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return mutate.AppendLayers(image, layer)
}

// openLayer begins to make the layer. Whoever reads it closes it.
func (i *Image) openLayer() (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() { _ = writer.CloseWithError(i.writeLayer(writer)) }()
	return reader, nil
}

func (i *Image) writeLayer(w io.Writer) error {
	layer := tar.NewWriter(w)
	files := slices.SortedFunc(slices.Values(i.Files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	made := map[string]bool{"/": true}
	for _, file := range files {
		for _, dir := range parents(file.Path) {
			if made[dir] {
				continue
			}
			made[dir] = true
			if err := layer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: 0o755, Format: tar.FormatPAX}); err != nil {
				return err
			}
		}
		if err := file.write(layer); err != nil {
			return fmt.Errorf("%s: %w", file.Path, err)
		}
	}
	return layer.Close()
}

// parents are the directories above a path, from the root's child down.
func parents(name string) []string {
	var dirs []string
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}

func (f *File) write(layer *tar.Writer) error {
	if f.Source == "" {
		return add(layer, f.Path[1:], f.Mode, int64(len(f.Content)), bytes.NewReader(f.Content))
	}
	source, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	return add(layer, f.Path[1:], f.Mode, info.Size(), source)
}

func add(archive *tar.Writer, name string, mode fs.FileMode, size int64, content io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: size, Format: tar.FormatPAX}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(archive, content)
	return err
}
