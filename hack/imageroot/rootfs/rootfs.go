// Package rootfs says what is in an image of this project besides its binary. The Dockerfile has it
// by way of hack/imageroot, and the images that are made without a container engine by way of
// hack/ociimage.
package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// certificates is where Go programs, and nearly all others, look for the authorities that they
// trust.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// Packages that there are images of.
const (
	Operator = "./cmd/operator"
	CLI      = "./cmd/kubectl-iotfile"
)

// ErrNoAuthorities: this machine has no list of certificate authorities.
var ErrNoAuthorities = errors.New("there is no " + certificates + ": install ca-certificates")

// File is a file that everybody may read. Path is absolute.
type File struct {
	Path    string
	Content []byte
}

// Files are the users, the certificate authorities of this machine, and the licences of all that is
// compiled into a program of the module in dir, for Linux on goarch. It runs the go command.
// Without authorities it gives the other files together with ErrNoAuthorities: an operator can do
// without, where each FileStore names its own.
//
// There is no shell, no libc and no time zone: the binary is static, and all its times are UTC.
func Files(ctx context.Context, dir, goarch, program string) ([]File, error) {
	files := []File{
		{"/etc/passwd", []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{"/etc/group", []byte("root:x:0:\nnonroot:x:65532:\n")},
	}
	licences, err := Licences(ctx, dir, "linux", goarch, program)
	if err != nil {
		return nil, fmt.Errorf("licences: %w", err)
	}
	files = append(files, licences...)
	authorities, err := os.ReadFile(certificates)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return files, ErrNoAuthorities
	case err != nil:
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	return append(files, File{certificates, authorities}), nil
}
