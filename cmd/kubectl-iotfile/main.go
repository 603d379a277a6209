// Command kubectl-iotfile moves files through the REST API of iotfile-operator. kubectl runs it as
// `kubectl iotfile`; it runs by itself as well. docs/cli.md has all of it.
package main

import (
	"os"

	"github.com/iotfile-operator/iotfile-operator/cmd/kubectl-iotfile/page"
	"github.com/iotfile-operator/iotfile-operator/internal/cli"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

func main() {
	os.Exit(cli.Main(os.Args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, s3.New, page.Files))
}
