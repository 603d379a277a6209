package devcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
)

// OperatorNamespace is where the operator and the Secrets of its FileStores live.
const OperatorNamespace = "iotfile-system"

// BuildOperator builds ./cmd/operator into the file path, as it is released: static, trimmed,
// stripped. flags are further flags of go build, such as -cover; with -race the binary is not
// static, and a C compiler is needed. A build with nothing changed takes about a second. log (nil
// for silence) is told the progress.
func BuildOperator(ctx context.Context, log io.Writer, path string, flags ...string) error {
	return buildCommand(ctx, log, path, "operator", flags...)
}

// BuildCLI builds the command line, kubectl-iotfile, of this checkout into path.
func BuildCLI(ctx context.Context, log io.Writer, path string) error {
	return buildCommand(ctx, log, path, "kubectl-iotfile")
}

// buildCommand builds the program cmd/name.
func buildCommand(ctx context.Context, log io.Writer, path, name string, flags ...string) error {
	root, err := ModuleRoot()
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	// The tools are built with the same flags, so that packages in common are compiled once.
	flags = append([]string{"-buildvcs=false", "-mod=readonly", "-trimpath", "-ldflags", "-s -w"}, flags...)
	if err := goBuild(ctx, orDiscard(log), root, path, "./cmd/"+name, flags...); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	return nil
}

// OperatorOptions says how an operator process is started. Several may run side by side on one
// control plane.
type OperatorOptions struct {
	// Binary is what BuildOperator has built; required.
	Binary string
	// Dir keeps its log and remembers its ports; required.
	Dir string
	// Name tells it from others in the same Dir, "operator" by default.
	Name string
	// Kubeconfig is the path of the kubeconfig file that it uses; required.
	Kubeconfig string
	// Namespace holds the Secrets of the FileStores, OperatorNamespace by default.
	Namespace string
	// Port of the REST API on 127.0.0.1; 0 for the one used before or any free one. The ports of
	// health and metrics are any free ones.
	Port int
	// Roles of the process, "data-plane,controller" by default.
	Roles string
	// NoAuthentication lets everybody on this machine do everything: for measurements of bytes
	// alone. Else callers need a token, see ApplicationToken.
	NoAuthentication bool
	// TLSCertDir has tls.crt and tls.key, to serve the REST API and the metrics with; plain HTTP
	// without. The certificate must be good for 127.0.0.1.
	TLSCertDir string
	// Webhooks makes it serve the admission webhooks on 127.0.0.1. Nobody calls them before the
	// webhook configurations are installed.
	Webhooks bool
	// LeaderElect makes it wait for the lease before it reconciles. Needed when more than one has
	// the role controller.
	LeaderElect bool
	// TestOptions are what only a Binary that is built with the tag failpoints reads, durations by
	// name: finalizerTimeout, probeInterval, orphanGrace.
	TestOptions map[string]string
	// Args are put after the flags that the options above make, and win over them.
	Args []string
	// Env holds variables, NAME=value, besides PATH, HOME and TMPDIR, which alone are inherited.
	Env []string
}

// Operator is a process of the operator. It may end by itself: see Done.
type Operator struct {
	// URL is where the REST API is served, without a path.
	URL string
	// HealthURL has /healthz and /readyz, MetricsURL /metrics; both are without a path.
	HealthURL, MetricsURL string
	// WebhookURL has the admission webhooks, without a path; empty if there are none.
	WebhookURL string
	// LogPath is its log; a later process of the same name appends to it.
	LogPath string

	process *process
	ports   []*port
}

// StartOperator starts the operator and returns when /readyz says that it is ready. One of Stop,
// Kill, or Terminate and Wait must be called; ctx bounds the start only.
func StartOperator(ctx context.Context, opts OperatorOptions) (*Operator, error) {
	if opts.Binary == "" || opts.Dir == "" || opts.Kubeconfig == "" {
		return nil, errors.New("operator: Binary, Dir and Kubeconfig are required")
	}
	opts.Name = orDefault(opts.Name, "operator")
	opts.Namespace = orDefault(opts.Namespace, OperatorNamespace)
	opts.Roles = orDefault(opts.Roles, "data-plane,controller")
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	o := &Operator{LogPath: filepath.Join(dir, opts.Name+".log")}
	env, err := opts.environment(dir)
	if err != nil {
		return nil, err
	}
	server := server{
		wanted: []int{opts.Port, 0, 0, 0},
		memory: filepath.Join(dir, opts.Name+".ports.json"),
		limit:  2 * time.Minute,
		start: func(ports []int) (*process, error) {
			return startProcess(processSpec{
				name: opts.Name, path: opts.Binary, args: opts.args(ports), env: env, dir: dir, logPath: o.LogPath,
			})
		},
		ready: func(ctx context.Context, ports []int) error {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			return getOK(ctx, client, "http://"+address(ports[1])+"/readyz")
		},
	}
	if o.process, o.ports, err = server.run(ctx); err != nil {
		return nil, err
	}
	scheme := "http://"
	if opts.TLSCertDir != "" {
		scheme = "https://"
	}
	o.URL = scheme + address(o.ports[0].number)
	o.HealthURL = "http://" + address(o.ports[1].number)
	o.MetricsURL = scheme + address(o.ports[2].number)
	if opts.Webhooks {
		o.WebhookURL = "https://" + address(o.ports[3].number)
	}
	return o, nil
}

// environment is Env, and where the test options are, which it writes.
func (o OperatorOptions) environment(dir string) ([]string, error) {
	if len(o.TestOptions) == 0 {
		return o.Env, nil
	}
	data, err := json.Marshal(o.TestOptions)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, o.Name+".options.json")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(path, data, 0o600)); err != nil {
		return nil, err
	}
	return append(slices.Clone(o.Env), failpoint.OptionsVariable+"="+path), nil
}

func (o OperatorOptions) args(ports []int) []string {
	args := []string{
		"--kubeconfig=" + o.Kubeconfig,
		"--namespace=" + o.Namespace,
		"--roles=" + o.Roles,
		"--leader-elect=" + strconv.FormatBool(o.LeaderElect),
		"--allow-local-endpoints", // where all servers of this package listen
		"--data-plane-bind-address=" + address(ports[0]),
		"--health-probe-bind-address=" + address(ports[1]),
		"--metrics-bind-address=" + address(ports[2]),
	}
	if o.NoAuthentication {
		args = append(args, "--auth=none")
	}
	if o.TLSCertDir != "" {
		args = append(args, "--tls-cert-dir="+o.TLSCertDir)
	} else {
		args = append(args, "--plain-http")
	}
	if o.Webhooks {
		args = append(args, "--webhook-bind-address="+address(ports[3]), "--webhook-names=127.0.0.1")
	}
	return append(args, o.Args...)
}

// PID is the id of the process.
func (o *Operator) PID() int { return o.process.pid() }

// Done is closed when the process has ended.
func (o *Operator) Done() <-chan struct{} { return o.process.done }

// Fault says how the process ended and quotes the end of its log, if it did so by itself. It is nil
// while it runs, and when one of the methods below has ended it.
func (o *Operator) Fault() error { return o.process.fault() }

// Terminate sends SIGTERM, as Kubernetes does to end a pod, and returns at once. It is idempotent.
func (o *Operator) Terminate() error {
	o.process.stopping.Store(true)
	return o.process.signal(syscall.SIGTERM)
}

// Wait waits for the process to end and returns nil when its exit status was 0, or ctx's error when
// that is done first.
func (o *Operator) Wait(ctx context.Context) error {
	select {
	case <-o.process.done:
		releasePorts(o.ports)
		return o.process.exit
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Kill ends the process as a crash does, with SIGKILL, and returns when it is gone. It is
// idempotent.
func (o *Operator) Kill() error {
	defer releasePorts(o.ports)
	return o.process.kill()
}

// Stop is Terminate, and Kill when the process has not drained within 20 seconds. It returns when
// the process is gone, and is idempotent.
func (o *Operator) Stop() error {
	defer releasePorts(o.ports)
	return o.process.stop(20 * time.Second)
}

func orDefault(value, other string) string {
	if value == "" {
		return other
	}
	return value
}
