package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/hack/imageroot/rootfs"
)

// archives packs the command line for each platform, with its licences and manual pages, and
// writes the manifest by which krew installs it.
func (r *release) archives(ctx context.Context) error {
	var platforms []any
	for _, on := range r.platforms {
		entries, err := r.cliFiles(ctx, on)
		if err != nil {
			return err
		}
		name, pack := r.named(cli, on)+".tar.gz", tarball
		if on.os == "windows" {
			name, pack = r.named(cli, on)+".zip", zipped
		}
		content, err := pack(entries, r.made)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := r.write(name, content); err != nil {
			return err
		}
		platforms = append(platforms, map[string]any{
			"selector": map[string]any{"matchLabels": map[string]string{"os": on.os, "arch": on.arch}},
			"uri":      repository + "/releases/download/v" + r.version + "/" + name,
			"sha256":   fmt.Sprintf("%x", sha256.Sum256(content)),
			"bin":      cli + on.suffix(),
		})
	}
	// https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
	manifest, err := yaml.Marshal(map[string]any{
		"apiVersion": "krew.googlecontainertools.github.com/v1alpha2", "kind": "Plugin", "metadata": map[string]string{"name": "iotfile"},
		"spec": map[string]any{
			"version": "v" + r.version, "homepage": repository, "shortDescription": "Move big files through the iotfile operator",
			"description": "Uploads and downloads files in parts, which can be resumed and are verified, shows\n" +
				"open uploads, and says what keeps files from getting through.\n",
			"platforms": platforms,
		},
	})
	if err != nil {
		return err
	}
	return r.write("krew-iotfile.yaml", manifest)
}

// cliFiles are what an archive of the command line has.
func (r *release) cliFiles(ctx context.Context, on platform) ([]entry, error) {
	files := []entry{}
	add := func(name, from string, mode os.FileMode) error {
		content, err := os.ReadFile(from)
		files = append(files, entry{name, mode, content})
		return err
	}
	if err := add(cli+on.suffix(), r.program(cli, on), 0o755); err != nil {
		return nil, err
	}
	if err := add("LICENSE", filepath.Join(r.root, "LICENSE"), 0o644); err != nil {
		return nil, err
	}
	pages, err := filepath.Glob(filepath.Join(r.root, "docs", "man", "*.1"))
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		if err := add("man/"+filepath.Base(page), page, 0o644); err != nil {
			return nil, err
		}
	}
	licences, err := rootfs.Licences(ctx, r.root, on.os, on.arch, rootfs.CLI)
	if err != nil {
		return nil, fmt.Errorf("licences: %w", err)
	}
	for _, licence := range licences {
		files = append(files, entry{strings.TrimPrefix(licence.Path, "/"), 0o644, licence.Content})
	}
	return files, nil
}
