package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// rmOptions are the flags of rm.
type rmOptions struct {
	yes      bool
	ifMatch  int64
	replaces *int64
}

func (e *environment) rm() *cobra.Command {
	o := &rmOptions{}
	cmd := &cobra.Command{
		Use:   "rm ENTITY/PATH...",
		Short: "Delete files",
		Long: `Delete files, after a question. Where nobody can be asked, since the standard input is no terminal, -y is needed.
An upload of the file that is open is not touched.`,
		Example: examples(`
kubectl iotfile rm 0123456789abcdef0123456789abcdef/logs/engine.bin
# this version and no other, without a question
kubectl iotfile rm -y --if-match 3 0123456789abcdef0123456789abcdef/logs/engine.bin`),
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("if-match") {
				o.replaces = &o.ifMatch
			}
			return e.runRm(cmd.Context(), o, args)
		},
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
	cmd.Flags().Int64Var(&o.ifMatch, "if-match", 0, "Delete the file at this version, and no other; of one file")
	return cmd
}

func (e *environment) runRm(ctx context.Context, o *rmOptions, args []string) error {
	if o.replaces != nil && len(args) > 1 {
		return usagef("--if-match is the version of one file, and there are %d", len(args))
	}
	names := make([]string, len(args))
	for i, arg := range args {
		var err error
		if names[i], err = e.filePlace(arg); err != nil {
			return err
		}
	}
	c, err := e.flags.Connect(ctx, nil)
	if err != nil {
		return err
	}
	if !o.yes {
		if err := e.confirm(ctx, "Delete "+report.Printable(strings.Join(names, ", "))+"?"); err != nil {
			return err
		}
	}
	failed := false
	for _, name := range names {
		err := c.Delete(ctx, name, &iotfile.DeleteOptions{IfMatch: o.replaces})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = true
			fmt.Fprintf(e.Err, "failed: %s: %s\n", report.Printable(name), report.Message(err))
			continue
		}
		fmt.Fprintln(e.Err, "deleted", report.Printable(name))
	}
	if failed {
		return errFailed
	}
	return nil
}

// confirm asks a person, and fails unless they agree.
func (e *environment) confirm(ctx context.Context, question string) error {
	if !report.IsTerminal(e.In) {
		return usagef("nobody can be asked, since the standard input is no terminal: give -y")
	}
	fmt.Fprint(e.Err, question+" [y/N] ")
	answer, err := bufio.NewReader(input{ctx, e.In}).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was deleted")
}
