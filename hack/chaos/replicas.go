package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// replica keeps one operator running, as a kubelet does, except while it is being disturbed.
type replica struct {
	number  int
	options devcluster.OperatorOptions
	world   *world

	// disturbed is held by whoever has ended or paused the process.
	disturbed sync.Mutex

	mu      sync.Mutex
	process *devcluster.Operator
	url     string // of the process that runs, or ran last
}

// replicaSet is all of them.
type replicaSet []*replica

func (s replicaSet) url(i int) string {
	s[i].mu.Lock()
	defer s[i].mu.Unlock()
	return s[i].url
}

// urls are the addresses of all of them, as they are now.
func (s replicaSet) urls() []string {
	var out []string
	for i := range s {
		out = append(out, s.url(i))
	}
	return out
}

func newReplica(w *world, number int, binary, kubeconfig string) *replica {
	return &replica{number: number, world: w, options: devcluster.OperatorOptions{
		Binary: binary, Dir: filepath.Join(w.dir, "logs"), Name: fmt.Sprintf("operator-%d", number), Kubeconfig: kubeconfig, LeaderElect: true,
		Env: []string{"GORACE=log_path=" + filepath.Join(w.dir, "logs", raceLog)},
		Args: []string{
			"--lease-duration=" + leaseFor.String(), // shorter than the default: more of the time with a leader
			"--sweep-interval=10s", "--grace-period=10s",
		},
		TestOptions: map[string]string{"orphanGrace": orphanGrace.String(), "probeInterval": "30s"},
	}}
}

func (r *replica) current() *devcluster.Operator {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process
}

// start starts the process, again and again until it is ready or ctx is done.
func (r *replica) start(ctx context.Context) error {
	for {
		o, err := devcluster.StartOperator(ctx, r.options)
		if err == nil {
			r.mu.Lock()
			r.process, r.url = o, o.URL
			r.mu.Unlock()
			return nil
		}
		r.world.report.event("start that failed")
		fmt.Fprintf(r.world.report.log, "operator %d does not start: %v\n", r.number, err)
		if sleep(ctx, time.Second) != nil {
			return err
		}
	}
}

// keep starts the process again whenever it has ended by itself, until ctx is done.
func (r *replica) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.current().Done():
		}
		r.disturbed.Lock()
		select {
		case <-r.current().Done(): // and not started by the nemesis meanwhile
			if err := r.current().Fault(); err != nil { // not one that a fault has ended and, since its time was over, not started again
				r.endedByItself(err)
			}
			_ = r.start(ctx)
		default:
		}
		r.disturbed.Unlock()
		if sleep(ctx, 100*time.Millisecond) != nil {
			return
		}
	}
}

// endedByItself reports why the process has ended: one that has lost the lease has to.
func (r *replica) endedByItself(fault error) {
	if strings.Contains(fault.Error(), "leader election lost") {
		r.world.report.event("end without the lease")
		return
	}
	r.world.report.event("end by itself")
	r.world.report.say("operator %d: %v", r.number, fault)
}

// end kills or terminates the process, and starts another after a while.
func (r *replica) end(ctx context.Context, down time.Duration, kill bool) error {
	o := r.current()
	if kill {
		if err := o.Kill(); err != nil {
			return err
		}
	} else if err := r.terminate(context.WithoutCancel(ctx), o); err != nil {
		return err
	}
	_ = sleep(ctx, down)
	return r.start(ctx)
}

// terminate sends SIGTERM and waits for the end, which the grace period bounds.
func (r *replica) terminate(ctx context.Context, o *devcluster.Operator) error {
	const limit = 30 * time.Second // drain of 10 s, and 10 s more for the rest
	if err := o.Terminate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := o.Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		r.world.report.violation(fmt.Sprintf("operator %d has not ended %s after SIGTERM", r.number, limit))
		return o.Kill()
	}
	return nil
}

// pause stops the process for a while, in the middle of whatever it is doing.
func (r *replica) pause(ctx context.Context, lasts time.Duration) error {
	o := r.current()
	if err := syscall.Kill(o.PID(), syscall.SIGSTOP); err != nil {
		return err
	}
	_ = sleep(ctx, lasts)
	return syscall.Kill(o.PID(), syscall.SIGCONT)
}
