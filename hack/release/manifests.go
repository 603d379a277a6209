package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// unpinnedImage is how the manifests of the checkout name the operator's image.
const unpinnedImage = "image: iotfile-operator\n"

// manifests makes one file of config/default, in which the image is named by its digest, and a
// JSON schema of each kind, for editors and for kubeconform.
func (r *release) manifests(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, r.kubectl, "kustomize", "config/default")
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("kubectl kustomize config/default: %w", err)
	}
	if !bytes.Contains(out, []byte(unpinnedImage)) {
		return fmt.Errorf("config/default has no %q any more", unpinnedImage)
	}
	pinned := fmt.Sprintf("image: %s@%s\n", r.reference(imageName(operator)), r.operatorDigest)
	if err := r.write("install.yaml", bytes.ReplaceAll(out, []byte(unpinnedImage), []byte(pinned))); err != nil {
		return err
	}
	kinds, err := filepath.Glob(filepath.Join(r.root, "config", "crd", "bases", "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range kinds {
		if err := r.schemas(path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// schemas writes those of one kind, a file for each version.
func (r *release) schemas(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var kind apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(data, &kind); err != nil {
		return err
	}
	for _, version := range kind.Spec.Versions {
		schema, err := json.MarshalIndent(version.Schema.OpenAPIV3Schema, "", "  ")
		if err != nil {
			return err
		}
		// The names that kubeconform looks for: {{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json
		name := strings.ToLower(kind.Spec.Names.Kind) + "_" + version.Name + ".json"
		if err := r.write(name, append(schema, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// documents copies the description of the REST API, and what the changelog says of this version.
func (r *release) documents(context.Context) error {
	api, err := os.ReadFile(filepath.Join(r.root, "internal", "dataplane", "openapi", "openapi.yaml"))
	if err != nil {
		return err
	}
	changes, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	excerpt, err := changesOf(string(changes), r.version)
	if err != nil {
		return err
	}
	return errors.Join(r.write("openapi.yaml", api), r.write("CHANGES.md", []byte(excerpt)))
}

// changesOf is the section of a version. Its links into the checkout become links to the tag.
func changesOf(changelog, version string) (string, error) {
	_, section, ok := strings.Cut(changelog, "\n## "+version)
	if !ok {
		return "", fmt.Errorf("CHANGELOG.md has no section %q", "## "+version)
	}
	_, section, _ = strings.Cut(section, "\n") // the rest of the heading
	section, _, _ = strings.Cut(section, "\n## ")
	section = strings.ReplaceAll(section, "](docs/", "]("+repository+"/blob/v"+version+"/docs/")
	return strings.TrimSpace(section) + "\n", nil
}
