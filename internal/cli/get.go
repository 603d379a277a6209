package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/localfile"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// getOptions are the flags of get.
type getOptions struct {
	recursive, force, dryRun, json bool
	parallel                       int
	partSize                       byteSize
}

func (e *environment) get() *cobra.Command {
	o := &getOptions{}
	cmd := &cobra.Command{
		Use:   "get ENTITY/PATH [TARGET]",
		Short: "Receive a file, or all files below a path",
		Long: `Receive a file as TARGET, or into it where that is a directory or ends with a slash; without TARGET into the working
directory. TARGET - is the standard output. With -r all files below ENTITY/PATH are received, by their names below it.

A file is written beside its target and gets its name when its bytes are those of the file: what has the name is whole.
After an interrupt, a crash or a lost network, the same command goes on with what is there. A target that exists with
other bytes is not replaced unless --force is given; one with these bytes is done.

With -r no name of a file leads out of TARGET: names with "..", names that are not possible here, names that this file
system takes for that of another file, and symbolic links that lead out of TARGET fail, each by itself.`,
		Example: examples(`
kubectl iotfile get 0123456789abcdef0123456789abcdef/logs/engine.bin
kubectl iotfile get 0123456789abcdef0123456789abcdef/logs/engine.bin /data/copy.bin
kubectl iotfile get 0123456789abcdef0123456789abcdef/dumps/app.sql - | psql app
# all that is below run-7/
kubectl iotfile get -r 0123456789abcdef0123456789abcdef/run-7/ results`),
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := "."
			if len(args) > 1 {
				target = args[1]
			}
			return e.runGet(cmd.Context(), o, args[0], target)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.recursive, "recursive", "r", false, "Receive all files below the path")
	flags.BoolVar(&o.force, "force", false, "Replace targets that exist")
	addTransfer(flags, &o.parallel, &o.partSize, &o.json)
	flags.BoolVar(&o.dryRun, "dry-run", false, "Say what would be received, and receive nothing")
	return cmd
}

// getItem is a file of the server and where it goes.
type getItem struct {
	// from is ENTITY/PATH, name the target below the root.
	from, name string
	// size is unknownSize where nobody has asked.
	size    int64
	refused error
}

func (e *environment) runGet(ctx context.Context, o *getOptions, from, target string) error {
	if err := checkTransfer(o.parallel); err != nil {
		return err
	}
	p, err := e.place(from)
	if err != nil {
		return err
	}
	switch {
	case target == "-" && (o.recursive || o.json || o.dryRun):
		return usagef("the standard output takes the bytes of one file, and nothing else: leave out -r, --json and --dry-run")
	case target == "-":
		return e.runCat(ctx, from)
	case !o.recursive && p.dir:
		return usagef("%q names no file: give -r for all files below it", from)
	}
	r := report.New(report.Options{JSON: o.json, Out: e.Out, Err: e.Err, Verb: "received"})
	c, err := e.flags.Connect(ctx, r.Attempt)
	if err != nil {
		r.Abandon()
		return err
	}
	e.again = e.commandLine()
	run := &getRun{environment: e, options: o, client: c.Client, report: r}
	if err := run.plan(ctx, p, target); err != nil {
		r.Abandon()
		return err
	}
	defer func() { _ = run.root.Close() }()
	if o.dryRun {
		r.Abandon()
		return run.showPlan()
	}
	r.Expect(len(run.items), run.bytes())
	run.all(ctx)
	return outcome(ctx, r.Finish())
}

// plan finds what is received, and where it goes. It makes the directory of the targets.
func (r *getRun) plan(ctx context.Context, from place, target string) error {
	if !r.options.recursive {
		dir, name := filepath.Split(target)
		if name == "" || name == "." || name == ".." || isDir(target) {
			dir, name = target, path.Base(from.path)
			_, refused := localfile.Names([]string{name}, false)
			if err := refused[name]; err != nil {
				return usagef("%s: %w", name, err)
			}
		}
		r.items = []getItem{{from: from.file(), name: name, size: unknownSize}}
		return r.open(dir)
	}
	files, err := (&lister{r.client}).list(ctx, from, &iotfile.SearchOptions{})
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("there is no file below %s", from.below(""))
	}
	if err := r.open(target); err != nil {
		return err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimPrefix(f.Path, from.below(""))
	}
	ignoresCase, err := localfile.IgnoresCase(r.root.Name())
	if err != nil {
		return err
	}
	local, refused := localfile.Names(names, ignoresCase)
	for i, f := range files {
		r.items = append(r.items, getItem{from: f.Path, name: local[names[i]], size: f.Size, refused: refused[names[i]]})
	}
	return nil
}

// open opens the directory that targets are below, which is made unless it is there.
func (r *getRun) open(dir string) error {
	if dir == "" {
		dir = "."
	}
	if err := os.MkdirAll(dir, 0o777); err != nil { //nolint:gosec // as any program makes directories of its user
		return err
	}
	var err error
	r.root, err = os.OpenRoot(dir)
	return err
}

func (r *getRun) bytes() (sum int64) {
	for _, item := range r.items {
		sum += max(item.size, 0)
	}
	return sum
}

func (r *getRun) showPlan() error {
	t := newTable(r.Out)
	for _, item := range r.items {
		switch {
		case item.refused != nil:
			t.row(item.from, "", "refused", item.refused.Error())
		case item.size < 0:
			t.row(item.from, "->", filepath.Join(r.root.Name(), item.name))
		default:
			t.row(item.from, "->", filepath.Join(r.root.Name(), item.name), report.Size(item.size))
		}
	}
	return t.flush()
}

func (e *environment) cat() *cobra.Command {
	return &cobra.Command{
		Use:     "cat ENTITY/PATH",
		Short:   "Write a file to the standard output",
		Long:    `Write a file to the standard output. What is written is one version of the file, compared with its checksum at the end.`,
		Example: examples(`kubectl iotfile cat 0123456789abcdef0123456789abcdef/notes/today.txt`),
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return e.runCat(cmd.Context(), args[0]) },
	}
}

func (e *environment) runCat(ctx context.Context, from string) error {
	file, err := e.filePlace(from)
	if err != nil {
		return err
	}
	c, err := e.flags.Connect(ctx, nil)
	if err != nil {
		return err
	}
	in, err := c.Open(ctx, file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	_, err = io.Copy(e.Out, in)
	return err
}
