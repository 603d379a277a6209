package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The two parts that are started in namespaces, see enter.
const (
	insideInit = "init"
	insideRun  = "run"
)

// runOutside builds everything, has the suite run where the cluster is, and leaves nothing but,
// after a failure, the logs.
func runOutside(ctx context.Context, s settings) (err error) {
	engine, err := chooseEngine(ctx, s.engine)
	if err != nil {
		return err
	}
	if engine == engineNode {
		if err := checkMachine(ctx, s.install); err != nil {
			return err
		}
		if err := sweepCgroups(); err != nil {
			return err
		}
	}
	scratch, err := os.MkdirTemp("", "iotfile-cluster-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, keepLogs(scratch, s.logs))
		}
		err = errors.Join(err, os.RemoveAll(scratch))
	}()
	r := newReport(os.Stdout)
	if err := build(ctx, r, scratch, engine, s.from); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("not done within %s", s.limit))
	defer cancel()
	if engine == engineKind {
		return runOnKind(ctx, r, scratch)
	}
	return runOnNode(ctx, scratch)
}

// chooseEngine looks for a container engine that answers: a client without a daemon is none.
func chooseEngine(ctx context.Context, wanted string) (string, error) {
	answers := ""
	for _, name := range []string{"docker", "podman"} {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := exec.CommandContext(ctx, name, "info").Run()
		cancel()
		if err == nil {
			answers = name
			break
		}
	}
	switch {
	case wanted == engineNode, wanted == "auto" && answers == "":
		return engineNode, nil
	case wanted == engineKind && answers == "":
		return "", errors.New("kind needs docker or podman, and neither answers; -engine=node does without, as root")
	case wanted == engineKind, wanted == "auto":
		return engineKind, nil
	}
	return "", fmt.Errorf("no engine %q; there are auto, kind and node", wanted)
}

// keepLogs copies the logs to where the user finds them.
func keepLogs(scratch, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	kept := false
	for _, dir := range []string{logsDir, podLogsDir} {
		from := filepath.Join(scratch, dir)
		if _, err := os.Stat(from); err != nil {
			continue
		}
		if err := os.CopyFS(filepath.Join(to, filepath.Base(dir)), os.DirFS(from)); err != nil {
			return err
		}
		kept = true
	}
	if kept {
		fmt.Fprintln(os.Stderr, "the logs are in", to)
	}
	return nil
}
