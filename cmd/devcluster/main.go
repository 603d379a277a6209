// Command devcluster is `make run`: a whole iotfile-operator system on this machine, from nothing
// but Go. It also gets the tools that the Makefile uses.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

const usage = `Usage:
  devcluster [flags]           run a control plane, an object store and the operator until Ctrl-C
  devcluster tools NAME...     get tools and print their paths
  devcluster race-cache        print the directory of the build cache of the race detector
  devcluster clean [--dir]     delete the state, unless it is in use

Flags:
`

func main() {
	// A second signal ends us at once; the kernel then kills what we have started.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	var err error
	switch command, args := split(os.Args[1:]); command {
	case "tools":
		err = printTools(ctx, args)
	case "race-cache":
		err = printRaceCache()
	case "clean":
		err = devcluster.Clean(parseFlags(args).Dir)
	default:
		err = run(ctx, parseFlags(args))
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		os.Exit(1)
	}
}

// split takes the subcommand off the arguments; without one it is "".
func split(args []string) (command string, rest []string) {
	if len(args) > 0 && slices.Contains([]string{"tools", "race-cache", "clean"}, args[0]) {
		return args[0], args[1:]
	}
	return "", args
}

func parseFlags(args []string) devcluster.Options {
	opts := devcluster.Options{Log: os.Stderr, CLI: true}
	flag.StringVar(&opts.Dir, "dir", ".dev", "directory that keeps all state")
	flag.StringVar((*string)(&opts.Store), "store", string(devcluster.StoreVersityGW), fmt.Sprintf("object store, one of %v", devcluster.StoreKinds()))
	flag.IntVar(&opts.Port, "port", 0, "port of the REST API; 0 for the one used before or any free one")
	flag.IntVar(&opts.APIServerPort, "apiserver-port", 0, "port of the Kubernetes API server, likewise")
	flag.IntVar(&opts.StorePort, "store-port", 0, "port of the object store, likewise")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	_ = flag.CommandLine.Parse(args) // exits on an error
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	return opts
}

// run brings the system up and keeps it up until ctx is done or one of its processes ends.
func run(ctx context.Context, opts devcluster.Options) error {
	fmt.Fprintln(os.Stderr, "Starting iotfile-operator in", opts.Dir)
	system, err := devcluster.Up(ctx, opts)
	if err != nil {
		return err
	}
	stopPage := welcome(ctx, system)
	err = system.Wait(ctx)
	if err == nil {
		fmt.Fprintln(os.Stderr, "\nStopping the operator, the object store and the control plane")
	} else {
		fmt.Fprintln(os.Stderr, "\nStopping everything, because a part of it has ended")
	}
	if err := errors.Join(err, stopPage(), system.Stop()); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "Stopped. `make run` brings it back as it was.")
	return nil
}

// printTools prints one path a line, and progress on standard error.
func printTools(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("name the tools to get: %v", devcluster.AllTools())
	}
	tools := make([]devcluster.Tool, 0, len(names))
	for _, name := range names {
		tools = append(tools, devcluster.Tool(name))
	}
	paths, err := devcluster.FindTools(ctx, os.Stderr, tools...)
	if err != nil {
		return err
	}
	for _, path := range paths {
		fmt.Println(path)
	}
	return nil
}

func printRaceCache() error {
	dir, err := devcluster.RaceCache()
	if err != nil {
		return err
	}
	fmt.Println(dir)
	return nil
}
