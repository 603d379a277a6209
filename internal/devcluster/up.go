package devcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Bucket is the bucket that Up creates and that its default FileStore offers.
const Bucket = "iotfile"

// Options says what Up starts.
type Options struct {
	// Dir keeps all state; required. A second Up on it finds the objects and files of the first.
	Dir string
	// Store is the kind of object store, StoreVersityGW by default.
	Store StoreKind
	// External is a bucket to use instead of starting a Store; nil for none.
	External *ExternalStore
	// Port of the REST API, APIServerPort and StorePort, on 127.0.0.1; 0 for the one used before or
	// any free one.
	Port, APIServerPort, StorePort int
	// OperatorArgs are further flags of the operator.
	OperatorArgs []string
	// TLSCertDir has the REST API served over TLS: see OperatorOptions.
	TLSCertDir string
	// CLI has the command line built as well, and the commands of Welcome begin with it.
	CLI bool
	// Log is told what is being done; nil for silence.
	Log io.Writer
}

// System is all that `make run` runs.
type System struct {
	ControlPlane *ControlPlane
	ObjectStore  *ObjectStore
	Operator     *Operator
	// URL is where the REST API is served, without a path.
	URL string
	// Token is one of a service account in the namespace SampleNamespace that may read and write
	// its files. It lasts for a day.
	Token string
	// CLI is the path of the command line, "" where it was not built.
	CLI string
	// EnvFile is a file of shell variables that say where everything is. It exists while the system
	// is ready.
	EnvFile string

	dir     string
	kubectl string
	lock    *fileLock
	bucket  string // of the default FileStore, and its prefix
	prefix  string
	// binary and kubeconfig are those of the operator; replicas run beside it.
	binary, kubeconfig string
	replicas           []*Operator
}

// Up gets the tools, builds the operator, starts a control plane and an object store, creates a
// bucket and a default FileStore, starts the operator and returns when all of it is ready: in about
// ten seconds once the tools are there. It returns *AlreadyRunningError, without touching anything,
// when Dir is in use. Stop must be called; ctx bounds the start only.
func Up(ctx context.Context, opts Options) (*System, error) {
	if opts.Dir == "" {
		return nil, errors.New("Dir is required")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &System{dir: dir, lock: lock, EnvFile: filepath.Join(dir, "env")}
	opts.Dir, opts.Log = dir, orDiscard(opts.Log)
	if opts.Store == "" {
		opts.Store = StoreVersityGW
	}
	if err := s.start(ctx, opts); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *System) start(ctx context.Context, opts Options) error {
	if err := s.removeEnv(); err != nil {
		return err
	}
	root, err := ModuleRoot()
	if err != nil {
		return err
	}
	if err := s.findKubectl(ctx, opts); err != nil {
		return err
	}
	s.binary = filepath.Join(s.dir, "bin", "operator")
	steps := []step{
		{"build", func() (string, error) { return "operator", BuildOperator(ctx, opts.Log, s.binary) }},
		{"control plane", func() (string, error) { return s.startControlPlane(ctx, opts, root) }},
		{"object store", func() (string, error) { return s.startObjectStore(ctx, opts) }},
		{"default store", func() (string, error) {
			return "FileStore default, bucket " + s.bucket, errors.Join(s.ControlPlane.PrepareWebhooks(ctx), s.createDefaultStore(ctx))
		}},
		{"permissions", func() (string, error) {
			if s.kubeconfig, err = s.ControlPlane.OperatorKubeconfig(ctx); err != nil {
				return "", err
			}
			s.Token, err = s.SampleToken(ctx)
			return "service account " + SampleNamespace + "/" + SampleAccount + " may use files", err
		}},
		{"operator", func() (string, error) {
			s.Operator, err = StartOperator(ctx, OperatorOptions{
				Binary: s.binary, Dir: filepath.Join(s.dir, "operator"), Kubeconfig: s.kubeconfig, Port: opts.Port, Args: opts.OperatorArgs,
				Webhooks: true, TLSCertDir: opts.TLSCertDir,
			})
			if err != nil {
				return "", err
			}
			s.URL = s.Operator.URL
			return s.URL, s.waitDefaultStore(ctx)
		}},
		{"webhooks", func() (string, error) {
			return "admission of uploads and stores", s.ControlPlane.InstallWebhooks(ctx, s.Operator.WebhookURL)
		}},
	}
	if opts.CLI {
		s.CLI = filepath.Join(s.dir, "bin", "kubectl-iotfile")
		steps = append(steps, step{"command line", func() (string, error) { return "kubectl-iotfile", BuildCLI(ctx, opts.Log, s.CLI) }})
	}
	for _, step := range steps {
		if err := step.run(opts.Log); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if err := os.MkdirAll(s.sampleDir(), 0o700); err != nil {
		return err
	}
	if err := s.lock.write(fmt.Sprintf("%d %s", os.Getpid(), s.URL)); err != nil {
		return err
	}
	return s.writeEnv()
}

// step is one line of what Up reports.
type step struct {
	name string
	do   func() (string, error)
}

func (s step) run(log io.Writer) error {
	started := time.Now()
	result, err := s.do()
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "  %-14s %-48s %5.1fs\n", s.name, result, time.Since(started).Seconds())
	return nil
}

// findKubectl gets the tools before anything is started: a build of ten minutes is told apart from
// a start of five seconds. The user's own kubectl is preferred, it is the one that commands will be
// typed with.
func (s *System) findKubectl(ctx context.Context, opts Options) error {
	tools := []Tool{Etcd, KubeAPIServer, KubeControllerManager}
	if err := opts.findObjectStore(ctx); err != nil {
		return err
	}
	path, err := exec.LookPath("kubectl")
	if err != nil {
		tools = append(tools, Kubectl)
	}
	paths, err := FindTools(ctx, opts.Log, tools...)
	if err != nil {
		return err
	}
	if path == "" {
		path = paths[len(paths)-1]
	}
	s.kubectl = path
	return nil
}

func (s *System) startControlPlane(ctx context.Context, opts Options, root string) (string, error) {
	var err error
	s.ControlPlane, err = StartControlPlane(ctx, ControlPlaneOptions{
		Dir: filepath.Join(s.dir, "controlplane"), Port: opts.APIServerPort, ControllerManager: true,
		CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")},
	})
	if err != nil {
		return "", err
	}
	return s.ControlPlane.URL, nil
}

func (s *System) startObjectStore(ctx context.Context, opts Options) (string, error) {
	s.bucket, s.prefix = opts.bucket()
	if opts.External != nil {
		s.ObjectStore = opts.External.objectStore()
		return s.ObjectStore.Endpoint, nil
	}
	var err error
	s.ObjectStore, err = StartObjectStore(ctx, opts.Store, ObjectStoreOptions{
		Dir: filepath.Join(s.dir, string(opts.Store)), Port: opts.StorePort,
	})
	if err != nil {
		return "", err
	}
	return s.ObjectStore.Endpoint + " (" + string(opts.Store) + ")", s.ObjectStore.CreateBucket(ctx, Bucket)
}

// Wait returns nil when ctx is done. When a process ends by itself before that, it returns an error
// that says which and quotes the end of its log; the others are left running for Stop.
func (s *System) Wait(ctx context.Context) error {
	processes := append(s.ObjectStore.processes(), s.Operator.process)
	processes = append(processes, s.ControlPlane.processes...)
	return watch(ctx, processes...)
}

// Stop ends everything in reverse order and returns when it is gone. State stays in the directory.
// It is idempotent.
func (s *System) Stop() error {
	if s.lock == nil {
		return nil
	}
	errs := []error{s.removeEnv()}
	for _, replica := range s.replicas {
		errs = append(errs, replica.Stop())
	}
	if s.Operator != nil {
		errs = append(errs, s.Operator.Stop())
	}
	if s.ObjectStore != nil {
		errs = append(errs, s.ObjectStore.Stop())
	}
	if s.ControlPlane != nil {
		errs = append(errs, s.ControlPlane.Stop())
	}
	errs = append(errs, s.lock.Unlock())
	s.lock = nil
	return errors.Join(errs...)
}
