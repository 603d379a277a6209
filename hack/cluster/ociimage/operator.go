package ociimage

import "os"

// NonRoot is the user of the final stage of the Dockerfile.
const NonRoot = "65532:65532"

// certificates is where Go programs, and nearly all others, look for the authorities that they trust.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// Operator is the operator's image: what the final stage of the Dockerfile makes, less of the base image than it has. The binary is static and reads nothing but the authorities that certificates of
// object storage are from (this machine's, where it has any: a FileStore can name others). Without a shell, without a libc, without time zones: all its times are UTC.
func Operator(name, binary string) *Image {
	image := &Image{
		Name: name, User: NonRoot, Entrypoint: []string{"/operator"},
		Files: []File{
			{Path: "/operator", Mode: 0o755, Source: binary},
			{Path: "/etc/passwd", Mode: 0o644, Content: []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
			{Path: "/etc/group", Mode: 0o644, Content: []byte("root:x:0:\nnonroot:x:65532:\n")},
		},
	}
	if _, err := os.Stat(certificates); err == nil {
		image.Files = append(image.Files, File{Path: certificates, Mode: 0o644, Source: certificates})
	}
	return image
}

// Program is an image of one static binary and nothing else.
func Program(name, binary string, args ...string) *Image {
	return &Image{
		Name: name, User: NonRoot, Entrypoint: append([]string{"/program"}, args...),
		Files: []File{{Path: "/program", Mode: 0o755, Source: binary}},
	}
}
