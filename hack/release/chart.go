package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/static"
	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/hack/ociimage"
)

const (
	chartName = "iotfile-operator"
	// chartRepository is where the registry has the chart, beside the image of the same name.
	chartRepository = "charts/" + chartName
	// chartArchive is what its file is named by.
	chartArchive = chartName + "-chart"
)

// Media types of a chart in a registry: https://helm.sh/docs/topics/registries/
const (
	helmConfig = "application/vnd.cncf.helm.config.v1+json"
	helmChart  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// unpinned are the values of the checkout's chart that a release replaces.
const unpinned = `  # There is no public image: build it with the Dockerfile, and name your registry.
  repository: iotfile-operator
  # Default: the chart's appVersion. A digest ("sha256:…") goes before a tag.
  tag: ""
  digest: ""
`

// chart packs the Helm chart, whose values name the image of this release by its digest, as a
// package and as what a registry holds.
func (r *release) chart(context.Context) error {
	entries, err := r.chartFiles()
	if err != nil {
		return err
	}
	content, err := tarball(entries, r.made)
	if err != nil {
		return err
	}
	if err := r.write(chartName+"-"+r.version+".tgz", content); err != nil {
		return err
	}
	metadata, err := os.ReadFile(filepath.Join(r.root, "charts", chartName, "Chart.yaml"))
	if err != nil {
		return err
	}
	var chart map[string]any
	if err := yaml.Unmarshal(metadata, &chart); err != nil {
		return fmt.Errorf("Chart.yaml: %w", err)
	}
	config, err := json.Marshal(chart)
	if err != nil {
		return err
	}
	artefact, err := newArtefact(config, helmConfig, static.NewLayer(content, helmChart), map[string]string{
		"org.opencontainers.image.title": chartName, "org.opencontainers.image.version": r.version, "org.opencontainers.image.source": repository,
	})
	if err != nil {
		return err
	}
	return ociimage.WriteImage(r.archive(chartArchive), r.reference(chartRepository), artefact)
}

// chartFiles are the files of the package, in their order.
func (r *release) chartFiles() ([]entry, error) {
	var entries []entry
	dir := os.DirFS(filepath.Join(r.root, "charts", chartName))
	err := fs.WalkDir(dir, ".", func(name string, file fs.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		content, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		if name == "values.yaml" {
			if !strings.Contains(string(content), unpinned) {
				return fmt.Errorf("values.yaml of the chart has no %q any more", unpinned)
			}
			content = []byte(strings.Replace(string(content), unpinned, fmt.Sprintf("  repository: %s/%s\n  # A digest goes before a tag, whose default is the chart's appVersion.\n  tag: \"\"\n  digest: %q\n",
				r.registry, imageName(operator), r.operatorDigest), 1))
		}
		entries = append(entries, entry{chartName + "/" + name, 0o644, content})
		return nil
	})
	return entries, err
}
