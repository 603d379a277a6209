package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

func (e *environment) stat() *cobra.Command {
	o := &output{}
	cmd := &cobra.Command{
		Use:   "stat ENTITY/PATH",
		Short: "Show what there is to know of a file",
		Long:  `Show the size, the version, the times and the checksum of a file. The version is what --if-match of put and rm takes.`,
		Example: examples(`
kubectl iotfile stat 0123456789abcdef0123456789abcdef/logs/engine.bin
kubectl iotfile stat -o 'jsonpath={.version}' 0123456789abcdef0123456789abcdef/logs/engine.bin`),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.runStat(cmd.Context(), o, args[0]) },
	}
	o.add(cmd)
	return cmd
}

func (e *environment) runStat(ctx context.Context, o *output, arg string) error {
	name, c, err := e.connectFor(ctx, arg)
	if err != nil {
		return err
	}
	f, err := c.Stat(ctx, name)
	if err != nil {
		return err
	}
	if o.objects() {
		return o.printOne(e.Out, fileObject(f))
	}
	t := newTable(e.Out)
	t.row("File", f.Path)
	t.row("Size", strconv.FormatInt(f.Size, 10)+" bytes, "+report.Size(f.Size))
	t.row("Version", strconv.FormatInt(f.Version, 10))
	t.row("Type", f.Type)
	t.row("Stored", when(f.Updated)+" UTC")
	for _, more := range [][2]string{{"Timestamp", timestamp(f.Timestamp)}, {"Description", f.Description}, {"Checksum", f.Checksum}, {"Tag", f.Tag}} {
		if more[1] != "" {
			t.row(more[0], more[1])
		}
	}
	return t.flush()
}
