package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

func (e *environment) parts() *cobra.Command {
	o := &output{}
	cmd := &cobra.Command{
		Use:     "parts ENTITY/PATH",
		Short:   "List the parts of the open upload of a file",
		Long:    `List the parts that have arrived of the upload of a file that is open, as object storage has them.`,
		Example: examples(`kubectl iotfile parts 0123456789abcdef0123456789abcdef/logs/engine.bin`),
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return e.runParts(cmd.Context(), o, args[0]) },
	}
	o.add(cmd)
	return cmd
}

func (e *environment) runParts(ctx context.Context, o *output, arg string) error {
	name, c, err := e.connectFor(ctx, arg)
	if err != nil {
		return err
	}
	parts, err := c.Parts(ctx, name)
	if err != nil {
		return err
	}
	if o.objects() {
		items := make([]map[string]any, len(parts))
		for i, p := range parts {
			items[i] = header("Part")
			items[i]["number"], items[i]["size"], items[i]["created"] = int64(p.Number), p.Size, timestamp(p.Created)
			if p.Checksum != "" {
				items[i]["checksum"] = p.Checksum
			}
		}
		return o.printList(e.Out, "Part", items)
	}
	if len(parts) == 0 {
		fmt.Fprintln(e.Err, "An upload is open, and no part of it has arrived.")
		return nil
	}
	sum := int64(0)
	t := newTable(e.Out, "PART", "SIZE", "STORED", "CHECKSUM")
	for _, p := range parts {
		sum += p.Size
		t.row(strconv.Itoa(p.Number), report.Size(p.Size), when(p.Created), p.Checksum)
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(e.Err, "%d parts, %s.\n", len(parts), report.Size(sum))
	return nil
}
