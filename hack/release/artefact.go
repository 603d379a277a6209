package main

import (
	"bytes"
	"encoding/json"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// artefact is what a registry holds that is no image: its configuration has a type of its own, and
// no list of layers.
type artefact struct {
	config, manifest []byte
	layer            v1.Layer
}

// newArtefact describes a layer by a configuration.
func newArtefact(config []byte, configType types.MediaType, layer v1.Layer, annotations map[string]string) (v1.Image, error) {
	described, err := partial.Descriptor(layer)
	if err != nil {
		return nil, err
	}
	sum, size, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: annotations,
		Config: v1.Descriptor{MediaType: configType, Digest: sum, Size: size}, Layers: []v1.Descriptor{*described},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(&artefact{config: config, manifest: manifest, layer: layer})
}

// RawConfigFile implements partial.CompressedImageCore.
func (a *artefact) RawConfigFile() ([]byte, error) { return a.config, nil }

// RawManifest implements partial.CompressedImageCore.
func (a *artefact) RawManifest() ([]byte, error) { return a.manifest, nil }

// MediaType implements partial.CompressedImageCore.
func (a *artefact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// LayerByDigest implements partial.CompressedImageCore.
func (a *artefact) LayerByDigest(digest v1.Hash) (partial.CompressedLayer, error) {
	if has, err := a.layer.Digest(); err != nil || has != digest {
		return nil, errors.Join(err, errors.New("there is no such layer"))
	}
	return a.layer, nil
}
