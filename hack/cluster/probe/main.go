// Command probe is what the pods of `make e2e-cluster` run besides the operator: the application
// that uses the REST API through the Service, with nothing but a projected token, and two helpers.
// It is static and needs no files but those that are mounted.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// commands are what it can be asked to do. What they print is JSON, one object per line.
var commands = map[string]func(ctx context.Context, args []string) error{
	"pause":     pause,     // hold the namespaces of a pod
	"bucket":    bucket,    // make the bucket
	"leftovers": leftovers, // fail if uploads are open in the bucket
	"checks":    checks,    // use everything of the REST API once
	"begin":     begin,     // open an upload, and send its first part
	"finish":    finish,    // send the second part, complete, and compare
	"load":      load,      // use it until told to stop
	"results":   results,   // make files, and say when they are made
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "probe: name a command")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// pause does nothing until it is told to end. Processes that are left behind in its PID namespace
// end with it.
func pause(ctx context.Context, _ []string) error {
	<-ctx.Done()
	return nil
}
