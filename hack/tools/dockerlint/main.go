// Command dockerlint checks a Dockerfile as `docker build --check` does: with the linter of
// BuildKit, compiled in. It needs neither an engine nor a registry. It prints what it finds, and
// exits with 1 if that is anything.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dockerlint:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: dockerlint DOCKERFILE")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	platform := platforms.DefaultSpec()
	source := llb.NewSourceMap(nil, args[0], "Dockerfile", text)
	source.Definition = &llb.Definition{} // the text alone, which no build has a state of
	results, err := dockerfile2llb.DockerfileLint(ctx, text, dockerfile2llb.ConvertOpt{
		SourceMap:      source,
		TargetPlatform: &platform,
		MetaResolver:   noRegistry{},
	})
	if err != nil {
		return err
	}
	for _, w := range results.Warnings {
		line := int32(0)
		if w.Location != nil && len(w.Location.Ranges) > 0 {
			line = w.Location.Ranges[0].Start.Line
		}
		fmt.Fprintf(out, "%s:%d: %s: %s (%s)\n", args[0], line, w.RuleName, w.Detail, w.URL)
	}
	if results.Error != nil {
		return errors.New(results.Error.Message)
	}
	if n := len(results.Warnings); n > 0 {
		return fmt.Errorf("%d findings", n)
	}
	return nil
}

// noRegistry takes every base image for one without a configuration of its own.
type noRegistry struct{}

func (noRegistry) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte("{}"), nil
}
