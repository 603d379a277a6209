package ociimage

import (
	"context"
	"errors"
	"path"

	"github.com/iotfile-operator/iotfile-operator/hack/imageroot/rootfs"
)

// NonRoot is the user of the final stage of the Dockerfile.
const NonRoot = "65532:65532"

// Operator is the operator's image: what the final stage of the Dockerfile makes. The binary is
// that of the checkout root, which the licences are of, for Linux on goarch. The authorities that
// certificates of object storage are from are this machine's, where it has any: a FileStore can
// name others.
func Operator(ctx context.Context, root, goarch, binary string) (*Image, error) {
	return stage(ctx, root, goarch, binary, rootfs.Operator)
}

// CLI is the image of the command line: what the stage cli of the Dockerfile makes.
func CLI(ctx context.Context, root, goarch, binary string) (*Image, error) {
	return stage(ctx, root, goarch, binary, rootfs.CLI)
}

// stage is an image of a program, with what rootfs has for it.
func stage(ctx context.Context, root, goarch, binary, program string) (*Image, error) {
	files, err := rootfs.Files(ctx, root, goarch, program)
	if err != nil && !errors.Is(err, rootfs.ErrNoAuthorities) {
		return nil, err
	}
	at := "/" + path.Base(program)
	image := &Image{
		User: NonRoot, Entrypoint: []string{at},
		Files: []File{{Path: at, Mode: 0o755, Source: binary}},
	}
	for _, file := range files {
		image.Files = append(image.Files, File{Path: file.Path, Mode: 0o644, Content: file.Content})
	}
	return image, nil
}

// Program is an image of one static binary and nothing else.
func Program(binary string, args ...string) *Image {
	return &Image{
		User: NonRoot, Entrypoint: append([]string{"/program"}, args...),
		Files: []File{{Path: "/program", Mode: 0o755, Source: binary}},
	}
}
