package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// byteSize is a flag of so many bytes, such as 16Mi. The zero value is for a default.
type byteSize int64

// String implements pflag.Value.
func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return resource.NewQuantity(int64(*b), resource.BinarySI).String()
}

// Set implements pflag.Value.
func (b *byteSize) Set(text string) error {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return errors.New("not a number of bytes such as 64Mi or 1Gi")
	}
	n, exact := q.AsInt64()
	if !exact || n < 1 {
		return errors.New("not a whole number of bytes above 0")
	}
	*b = byteSize(n)
	return nil
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "bytes" }

// defaultParallel is how many requests carry bytes at once.
const defaultParallel = 4

// addTransfer adds the flags of what moves bytes.
func addTransfer(flags *pflag.FlagSet, parallel *int, partSize *byteSize, json *bool) {
	flags.IntVar(parallel, "parallel", defaultParallel, "Requests at once, of one file or of several")
	flags.Var(partSize, "part-size", "Bytes of a part, such as 64Mi, which is what a broken connection costs (default 16Mi, more where the file needs it)")
	flags.BoolVar(json, "json", false, "Write what happens to the standard output, as JSON, one event a line")
}

func checkTransfer(parallel int) error {
	if parallel < 1 || parallel > 64 {
		return usagef("--parallel is a number from 1 to 64")
	}
	return nil
}

// places is how many of the parallel requests a file of so many bytes can use, -1 for unknown.
func places(size int64, part byteSize, parallel int) int64 {
	if part == 0 {
		part = 16 << 20
	}
	if size < 0 {
		return int64(parallel)
	}
	return max(1, min(int64(parallel), (size+int64(part)-1)/int64(part)))
}

// outcome is the error of a command whose report has ended.
func outcome(ctx context.Context, t report.Totals) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case t.Failed > 0 || t.Done < t.Files:
		return errFailed
	}
	return nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
