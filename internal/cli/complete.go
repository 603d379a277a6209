package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

func (e *environment) complete() *cobra.Command {
	return &cobra.Command{
		Use:   "complete ENTITY/PATH",
		Short: "Make the file of an upload whose parts have all arrived",
		Long: `Make the file of an open upload from the parts that have arrived, which must be those from 1 on without a gap. "put"
does this by itself; it is for uploads whose parts something else has sent. An upload that was completed is answered as
it was the first time.`,
		Example: examples(`kubectl iotfile complete 0123456789abcdef0123456789abcdef/logs/engine.bin`),
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return e.runComplete(cmd.Context(), args[0]) },
	}
}

func (e *environment) runComplete(ctx context.Context, arg string) error {
	name, c, err := e.connectFor(ctx, arg)
	if err != nil {
		return err
	}
	e.again = e.commandLine()
	f, err := c.Complete(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Err, "completed %s, version %d, %s\n", report.Printable(name), f.Version, report.Size(f.Size))
	return nil
}
