package ociimage

import (
	"context"
	"errors"
	"runtime"

	"github.com/iotfile-operator/iotfile-operator/hack/imageroot/rootfs"
)

// NonRoot is the user of the final stage of the Dockerfile.
const NonRoot = "65532:65532"

// Operator is the operator's image: what the final stage of the Dockerfile makes. The binary is
// that of the checkout root, which the licences are of. The authorities that certificates of object
// storage are from are this machine's, where it has any: a FileStore can name others.
func Operator(ctx context.Context, root, name, binary string) (*Image, error) {
	files, err := rootfs.Files(ctx, root, runtime.GOARCH)
	if err != nil && !errors.Is(err, rootfs.ErrNoAuthorities) {
		return nil, err
	}
	image := &Image{
		Name: name, User: NonRoot, Entrypoint: []string{"/operator"},
		Files: []File{{Path: "/operator", Mode: 0o755, Source: binary}},
	}
	for _, file := range files {
		image.Files = append(image.Files, File{Path: file.Path, Mode: 0o644, Content: file.Content})
	}
	return image, nil
}

// Program is an image of one static binary and nothing else.
func Program(name, binary string, args ...string) *Image {
	return &Image{
		Name: name, User: NonRoot, Entrypoint: append([]string{"/program"}, args...),
		Files: []File{{Path: "/program", Mode: 0o755, Source: binary}},
	}
}
