package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/localfile"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// putOptions are the flags of put.
type putOptions struct {
	recursive, force, dryRun, json bool
	ifMatch                        int64
	parallel                       int
	partSize                       byteSize
	mediaType, description         string
	waitFor                        string
	replaces                       *int64
}

func (e *environment) put() *cobra.Command {
	o := &putOptions{}
	cmd := &cobra.Command{
		Use:   "put FILE... DESTINATION",
		Short: "Send files",
		Long: `Send files to DESTINATION, which is ENTITY/PATH. It ends with a slash, or is the entity alone, where the files go
below it by their own names; else it is the path of the one file. With -r a FILE can be a directory: all files below it
are sent, by their names below it. Patterns such as *.log are expanded where the shell has not done it. FILE - is the
standard input.

A file that exists is not replaced, unless --if-match names its version, or --force is given. A file that is there with
these very bytes already is done.

Each file is sent in parts, several at once, and compared with what has arrived by a checksum. After an interrupt, a
crash or a lost network, the same command goes on with the parts that are there, from any machine. An upload that
nobody goes on with is deleted after a time, 48 hours unless the platform says otherwise; "abort" does it at once.

With --wait-for nothing is looked at before the file of that name is there: for a container beside the one that makes
the files, which makes it last.`,
		Example: examples(`
# one file, in 16 MiB parts, four at once
kubectl iotfile put engine.bin 0123456789abcdef0123456789abcdef/logs/engine.bin
# several below logs/, by their own names
kubectl iotfile put *.bin 0123456789abcdef0123456789abcdef/logs/
# a directory with all that is below it
kubectl iotfile put -r results 0123456789abcdef0123456789abcdef/run-7/
# what a program writes
pg_dump app | kubectl iotfile put - 0123456789abcdef0123456789abcdef/dumps/app.sql
# what another container of the pod makes, once it is done
kubectl iotfile put -r --wait-for /work/done /work/results 0123456789abcdef0123456789abcdef/run-7/
# replace version 3 and no other
kubectl iotfile put --if-match 3 engine.bin 0123456789abcdef0123456789abcdef/logs/engine.bin`),
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("if-match") {
				o.replaces = &o.ifMatch
			}
			return e.runPut(cmd.Context(), o, args[:len(args)-1], args[len(args)-1])
		},
	}
	o.add(cmd)
	return cmd
}

func (o *putOptions) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&o.recursive, "recursive", "r", false, "Send all files below directories")
	flags.Int64Var(&o.ifMatch, "if-match", 0, "Replace the file at this version, and no other; of one file")
	flags.BoolVar(&o.force, "force", false, "Replace files that exist, whatever their version")
	addTransfer(flags, &o.parallel, &o.partSize, &o.json)
	flags.BoolVar(&o.dryRun, "dry-run", false, "Say what would be sent, and send nothing")
	flags.StringVar(&o.waitFor, "wait-for", "", "Begin when this file is there")
	flags.StringVar(&o.mediaType, "type", "", "Media type that the files are served with (default application/octet-stream)")
	flags.StringVar(&o.description, "description", "", "Text that is kept with the files, at most 100 characters")
}

// putItem is a file and where it goes.
type putItem struct {
	localfile.Source
	// to is ENTITY/PATH.
	to string
}

// standardInput is the argument that means it, and the size of what it has.
const (
	standardInput = "-"
	unknownSize   = -1
)

// planPut says what goes where. Nothing has been sent when it fails.
func (e *environment) planPut(o *putOptions, args []string, destination string) ([]putItem, []localfile.Skipped, error) {
	to, err := e.place(destination)
	if err != nil {
		return nil, nil, err
	}
	if len(args) == 1 && args[0] == standardInput {
		if to.dir {
			return nil, nil, usagef("the standard input has no name: end the destination with one, as in %s", to.below("NAME"))
		}
		return []putItem{{localfile.Source{Path: standardInput, Size: unknownSize}, to.file()}}, nil, nil
	}
	found, skipped, err := localfile.Find(args, o.recursive)
	if err != nil {
		return nil, nil, usageError{err}
	}
	if len(found) == 0 {
		return nil, skipped, usagef("there is no file to send")
	}
	// A directory goes below its destination in any case.
	below := to.dir || o.recursive && slices.ContainsFunc(args, isDir)
	if len(found) > 1 && !below {
		return nil, nil, usagef("to send several files below %s, end it with a slash: %s/", destination, destination)
	}
	items, err := assign(found, to, below)
	if err == nil && o.replaces != nil && len(items) > 1 {
		err = usagef("--if-match is the version of one file, and there are %d", len(items))
	}
	return items, skipped, err
}

// assign says where each file goes: to a place, or below it by its own name.
func assign(found []localfile.Source, to place, below bool) ([]putItem, error) {
	items, taken := make([]putItem, 0, len(found)), map[string]string{}
	for _, source := range found {
		item := putItem{source, to.file()}
		if below {
			item.to = to.below(source.Rel)
		}
		if other, ok := taken[item.to]; ok {
			return nil, usagef("%s and %s would both become %s", other, source.Path, item.to)
		}
		taken[item.to] = source.Path
		items = append(items, item)
	}
	return items, nil
}

func (e *environment) runPut(ctx context.Context, o *putOptions, args []string, destination string) error {
	if o.force && o.replaces != nil {
		return usagef("give --if-match or --force, not both")
	}
	if err := checkTransfer(o.parallel); err != nil {
		return err
	}
	if err := e.awaitFile(ctx, o.waitFor, destination); err != nil {
		return err
	}
	items, skipped, err := e.planPut(o, args, destination)
	if err != nil {
		return err
	}
	e.again = e.commandLine()
	if o.dryRun {
		return e.showPlan(items, skipped)
	}
	bytes := int64(0)
	for _, item := range items {
		bytes += max(item.Size, 0)
	}
	r := report.New(report.Options{JSON: o.json, Out: e.Out, Err: e.Err, Verb: "sent", Files: len(items), Bytes: bytes})
	c, err := e.flags.Connect(ctx, r.Attempt)
	if err != nil {
		r.Abandon()
		return err
	}
	for _, s := range skipped {
		r.Note("skipped %s: %s", report.Printable(s.Path), s.Why)
	}
	(&putRun{environment: e, options: o, client: c.Client, report: r}).all(ctx, items)
	return outcome(ctx, r.Finish())
}

// showPlan says what a command would do.
func (e *environment) showPlan(items []putItem, skipped []localfile.Skipped) error {
	t := newTable(e.Out)
	for _, item := range items {
		size := "unknown size"
		if item.Size >= 0 {
			size = report.Size(item.Size)
		}
		t.row(item.Path, "->", item.to, size)
	}
	for _, s := range skipped {
		t.row(s.Path, "", "skipped", s.Why)
	}
	return t.flush()
}
