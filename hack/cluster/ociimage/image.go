// Package ociimage writes container images without a container engine: a few files, who runs what,
// and nothing else.
package ociimage

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"
)

// File is a file of an image. All files belong to root, and none has a time: the same content gives
// the same digest.
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
	// Name is complete, with a registry and a tag: engines give names that are not a meaning of
	// their own.
	Name       string
	Files      []File
	Entrypoint []string
	// User is "UID:GID", in digits: there may be no /etc/passwd to look names up in, and
	// Kubernetes' runAsNonRoot believes no name.
	User string
}

// Write writes the image, for Linux on this machine's architecture, as an OCI image layout in a tar
// archive: what `ctr images import`, `docker load`, `kind load image-archive` and `skopeo copy
// oci-archive:` read. It reads each Source twice.
func (i *Image) Write(w io.Writer) error {
	layer, err := i.describeLayer()
	if err != nil {
		return err
	}
	config, err := marshal("application/vnd.oci.image.config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.Entrypoint, "User": i.User, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
	})
	if err != nil {
		return err
	}
	manifest, err := marshal("application/vnd.oci.image.manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": config.descriptor, "layers": []descriptor{layer},
	})
	if err != nil {
		return err
	}
	named := manifest.descriptor
	_, tag, _ := strings.Cut(path.Base(i.Name), ":")
	// The first is for containerd, the second what the specification has.
	named.Annotations = map[string]string{"io.containerd.image.name": i.Name, "org.opencontainers.image.ref.name": tag}
	index, err := marshal("application/vnd.oci.image.index.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []descriptor{named},
	})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, file := range []struct {
		name    string
		content []byte
	}{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", index.content},
		{manifest.path(), manifest.content},
		{config.path(), config.content},
	} {
		if err := add(archive, file.name, 0o644, int64(len(file.content)), bytes.NewReader(file.content)); err != nil {
			return err
		}
	}
	if err := archive.WriteHeader(&tar.Header{Name: layer.path(), Mode: 0o644, Size: layer.Size, Format: tar.FormatPAX}); err != nil {
		return err
	}
	if err := i.writeLayer(archive); err != nil {
		return err
	}
	return archive.Close()
}

// descriptor is how one blob names another.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// path is where the blob lies in a layout.
func (d descriptor) path() string { return "blobs/" + strings.Replace(d.Digest, ":", "/", 1) }

// blob is one that fits into memory.
type blob struct {
	descriptor
	content []byte
}

func marshal(mediaType string, value any) (blob, error) {
	content, err := json.Marshal(value)
	sum := sha256.Sum256(content)
	return blob{descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(content))}, content}, err
}

// describeLayer is the layer's descriptor. The layer is not compressed: it is read on the machine
// that it is written on.
func (i *Image) describeLayer() (descriptor, error) {
	sum, size := sha256.New(), new(counter)
	if err := i.writeLayer(io.MultiWriter(sum, size)); err != nil {
		return descriptor{}, err
	}
	return descriptor{
		MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: "sha256:" + hex.EncodeToString(sum.Sum(nil)), Size: int64(*size),
	}, nil
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
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: size, ModTime: time.Time{}, Format: tar.FormatPAX}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(archive, content)
	return err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
