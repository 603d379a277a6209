package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Main runs the command line args, the first of which is the program, and returns the status to
// exit with. openStore opens the buckets that doctor examines, page has the files that ui serves.
// The first SIGINT or SIGTERM ends what is under way; a second one ends the process at once.
func Main(args []string, streams Streams, openStore filestore.Factory, page fs.FS) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	defer stop()
	root, e := newRoot(args, streams)
	e.openStore, e.page = openStore, page
	root.SetArgs(args[1:])
	if filepath.Base(args[0]) == completer {
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd}, args[1:]...))
	}
	err := root.ExecuteContext(ctx)
	return e.exit(ctx, err)
}

// Command is the tree of all commands, for what is made from it.
func Command() *cobra.Command {
	root, _ := newRoot([]string{"kubectl-iotfile"}, Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	return root
}

func newRoot(args []string, streams Streams) (*cobra.Command, *environment) {
	e := &environment{Streams: streams, args: args, flags: connection.NewFlags()}
	root := &cobra.Command{
		Use:   "kubectl-iotfile",
		Short: "Move files of any size to and from the platform's object storage",
		Long: `Move files of any size to and from the platform's object storage, through the REST API of iotfile-operator.

A file is named by ENTITY/PATH: the entity is the asset or device that it belongs to, 32 lower-case hexadecimal
digits. Whatever breaks is tried again, and the same command goes on where an earlier one has ended.

What was asked for is written to the standard output, what happens to the standard error. The exit status is 0 where
all went well, 1 where something failed, 2 where the command line cannot be right, 130 after an interrupt.`,
		// The errors are told once, by exit.
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl iotfile"},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w. See: %s --help", err, cmd.CommandPath())
	})
	e.flags.Add(root.PersistentFlags())
	root.AddCommand(e.put(), e.get(), e.cat(), e.ls(), e.stat(), e.parts(), e.rm(), e.uploads(), e.complete(), e.abort(), e.ui(), e.whoami(), e.doctor(), e.version())
	root.AddCommand(e.completion(root))
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.Args = noSuchCommand
	for _, cmd := range root.Commands() {
		cmd.DisableFlagsInUseLine = true
		cmd.Args = asUsage(cmd.Args)
	}
	return root, e
}

// noSuchCommand refuses arguments of the program itself.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q.", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += " Do you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%s See: %s --help", text, cmd.CommandPath())
}

// asUsage makes the errors of wrong arguments those of a command line.
func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%w. Usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}
