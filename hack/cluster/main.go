// Command cluster installs the operator on a real cluster and uses it there, as an application
// does: through the Service, from a pod that has nothing but a projected token. Then it does to it
// what happens in clusters: upgrade, rollout, eviction, the death of the leader, all under load;
// and removes it, and looks for what is left.
//
//	go run ./hack/cluster -engine=node
//
// With a container engine the cluster is kind's. Without one it is a single node on this machine,
// as root: kubelet, containerd and all the rest in namespaces that end with the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	var s settings
	flag.StringVar(&s.engine, "engine", "auto", "auto, kind (needs docker or podman) or node (needs root on Linux); auto is kind where a container engine answers")
	flag.StringVar(&s.from, "from", "", "commit whose operator and manifests are installed first and upgraded; default: the newest tag before this commit, or where there is none the twentieth commit before")
	flag.BoolVar(&s.install, "install-packages", os.Getenv("CI") == "true", "install missing Debian packages with apt-get; the default where CI=true")
	flag.StringVar(&s.logs, "logs", filepath.Join("bin", "cluster"), "directory that keeps the logs when something fails")
	flag.DurationVar(&s.limit, "limit", 30*time.Minute, "how long the run may take at most, without building tools")
	flag.StringVar(&s.inside, "inside", "", "internal")
	flag.StringVar(&s.scratch, "scratch", "", "internal")
	flag.StringVar(&s.cgroup, "cgroup", "", "internal")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	if err := run(ctx, s); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = errors.Join(errors.New("interrupted"), err)
		}
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// run is one of: the program that people start, and the two that it starts in namespaces.
func run(ctx context.Context, s settings) error {
	if runtime.GOOS != "linux" {
		return errors.New("this runs on Linux only: the images are made of this machine's own binaries")
	}
	switch s.inside {
	case insideInit:
		return initMain(s)
	case insideRun:
		return runInside(ctx, s)
	}
	return runOutside(ctx, s)
}
