package devcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// ControlPlaneOptions says what StartControlPlane starts.
type ControlPlaneOptions struct {
	// Dir keeps certificates, etcd's data and logs; required. A control plane started on it again
	// has the same objects and, when it is free, the same port. Whoever made it removes it.
	Dir string
	// Port of the API server on 127.0.0.1; 0 for the one used before or any free one.
	Port int
	// ControllerManager adds kube-controller-manager: garbage collection, namespace deletion, the
	// default service account of each namespace, aggregated cluster roles. Costs half a second and
	// 60 MB.
	ControllerManager bool
	// CRDDirs are directories of CustomResourceDefinitions to install. The first creates of a kind
	// within two seconds of its CRD's installation are held up by the API server: install once per
	// test binary, not per test.
	CRDDirs []string
	// UnsafeNoFsync keeps etcd from flushing to disk. For tests: quick, and data survives a crash
	// of etcd but not of the machine.
	UnsafeNoFsync bool
	// AuditUsers are users, such as system:serviceaccount:NAMESPACE:NAME, of whose requests the API
	// server keeps a log: see AuditLog. None without any.
	AuditUsers []string
	// AdmissionConfig is the path of a file for --admission-control-config-file of the API server,
	// such as one that says which client certificates it shows to webhooks. Empty for none.
	AdmissionConfig string
	// Node makes it a control plane for one node, which StartNode starts. The API server then
	// listens on the node's address instead of 127.0.0.1, and the controllers of Deployments,
	// endpoints and the like run besides. It implies ControllerManager. To be used where that
	// address is nobody else's, such as in a network namespace.
	Node *NodeIdentity
	// Log is told about downloads and builds; nil for silence.
	Log io.Writer
}

// ControlPlane is a running Kubernetes control plane, without nodes unless StartNode starts one.
type ControlPlane struct {
	// URL of the API server, https on 127.0.0.1 or, with a node, on the node's address.
	URL string
	// Kubeconfig is the path of the administrator's kubeconfig file.
	Kubeconfig string
	// AuditLog is the path of the log of what ControlPlaneOptions.AuditUsers have asked for: a JSON
	// object (audit.k8s.io/v1 Event, level Metadata) in each line, written before the request is
	// answered. Empty if nobody's requests are logged. A later start in the same directory appends
	// to it.
	AuditLog string

	dir       string
	program   string // of kube-apiserver
	etcd      etcdSpec
	node      *NodeIdentity
	config    *rest.Config
	lock      *fileLock
	socketDir socketDir
	ports     []*port
	processes []*process // in the order started

	auditUsers      []string
	admissionConfig string
}

// StartControlPlane starts etcd, kube-apiserver and, if asked for, kube-controller-manager,
// installs the CRDs and returns once all of it is ready, which takes about five seconds. It returns
// *AlreadyRunningError when Dir is in use. Stop must be called; ctx bounds the start only.
func StartControlPlane(ctx context.Context, opts ControlPlaneOptions) (*ControlPlane, error) {
	if opts.Dir == "" {
		return nil, errors.New("control plane: Dir is required")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	opts.ControllerManager = opts.ControllerManager || opts.Node != nil
	tools := []Tool{Etcd, KubeAPIServer}
	if opts.ControllerManager {
		tools = append(tools, KubeControllerManager)
	}
	paths, err := FindTools(ctx, opts.Log, tools...)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{dir: dir, lock: lock, node: opts.Node, Kubeconfig: filepath.Join(dir, "kubeconfig"), auditUsers: opts.AuditUsers, admissionConfig: opts.AdmissionConfig}
	if len(opts.AuditUsers) > 0 {
		c.AuditLog = auditLog(dir)
	}
	if err := c.start(ctx, opts, paths); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *ControlPlane) start(ctx context.Context, opts ControlPlaneOptions, programs []string) error {
	pki := filepath.Join(c.dir, "pki")
	if err := ensurePKI(pki, c.node); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	var err error
	if c.socketDir, err = makeSocketDir(filepath.Join(c.dir, "run")); err != nil {
		return err
	}
	c.etcd = etcdSpec{program: programs[0], dir: c.dir, sockets: c.socketDir, noFsync: opts.UnsafeNoFsync}
	etcd, err := startEtcd(ctx, c.etcd)
	if err != nil {
		return err
	}
	c.processes = append(c.processes, etcd)
	c.program = programs[1]
	apiServer, ports, err := c.startAPIServer(ctx, opts.Port)
	if err != nil {
		return err
	}
	c.processes, c.ports = append(c.processes, apiServer), ports
	c.URL = c.apiServer(0).url(ports[0].number)
	if c.config, err = adminConfig(c.URL, pki); err != nil {
		return err
	}
	if err := writeKubeconfig(c.Kubeconfig, "admin", c.config); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	if opts.ControllerManager {
		group.Go(func() error {
			names := controllers
			if c.node != nil {
				names = slices.Concat(controllers, nodeControllers)
			}
			manager, err := startControllerManager(groupCtx, programs[2], c.dir, pki, c.config, names)
			if manager != nil {
				c.processes = append(c.processes, manager)
			}
			return err
		})
	}
	group.Go(func() error { return InstallCRDs(groupCtx, c.config, opts.CRDDirs...) })
	return group.Wait()
}

func (c *ControlPlane) startAPIServer(ctx context.Context, number int) (*process, []*port, error) {
	return startAPIServer(ctx, c.apiServer(number))
}

func (c *ControlPlane) apiServer(port int) apiServerSpec {
	return apiServerSpec{
		program: c.program, dir: c.dir, pki: filepath.Join(c.dir, "pki"), etcd: c.socketDir.etcdURL(), port: port, node: c.node,
		auditUsers: c.auditUsers, admissionConfig: c.admissionConfig,
	}
}

// Places in ControlPlane.processes.
const (
	etcdPlace = iota
	apiServerPlace
)

// RestartAPIServer ends kube-apiserver as a crash does, with SIGKILL, and starts it again on the
// same port once down has passed. What is in etcd stays. It returns when the server is ready, and
// with an error when it is not to be had again or ctx is done; Stop is to be called all the same.
// It must not be called while another call of it, of RestartEtcd or of Stop is under way.
func (c *ControlPlane) RestartAPIServer(ctx context.Context, down time.Duration) error {
	if err := c.endFor(ctx, apiServerPlace, down); err != nil {
		return err
	}
	number := c.ports[0].number
	releasePorts(c.ports)
	server, ports, err := c.startAPIServer(ctx, number)
	if err != nil {
		return err
	}
	c.processes[apiServerPlace], c.ports = server, ports
	return nil
}

// RestartEtcd ends etcd as a crash does, with SIGKILL, and starts it again on its data once down
// has passed; kube-apiserver goes on and finds it again. What etcd has acknowledged is there again,
// UnsafeNoFsync or not. It returns when etcd answers, and is otherwise like RestartAPIServer.
func (c *ControlPlane) RestartEtcd(ctx context.Context, down time.Duration) error {
	if err := c.endFor(ctx, etcdPlace, down); err != nil {
		return err
	}
	etcd, err := startEtcd(ctx, c.etcd)
	if err != nil {
		return err
	}
	c.processes[etcdPlace] = etcd
	return nil
}

// endFor kills a process, and returns when it has been gone for so long.
func (c *ControlPlane) endFor(ctx context.Context, place int, down time.Duration) error {
	if err := c.processes[place].kill(); err != nil {
		return err
	}
	select {
	case <-time.After(down):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// RESTConfig returns a new client configuration of the administrator, without a rate limit. Clients
// that are started as someone else copy it with rest.AnonymousClientConfig and set a token.
func (c *ControlPlane) RESTConfig() *rest.Config {
	return rest.CopyConfig(c.config)
}

// Etcd returns a client of etcd's JSON gateway and the URL to put before its paths (/v3/kv/txn). It
// goes past the API server, whose watches see what is written: for states that are expensive to
// make through it. The caller closes idle connections.
func (c *ControlPlane) Etcd() (client *http.Client, url string) {
	return c.socketDir.httpClient(), etcdHost
}

// Stop ends the processes in reverse order and gives up the directory, where all state stays. It
// returns when they are gone and is idempotent.
func (c *ControlPlane) Stop() error {
	var errs []error
	for len(c.processes) > 0 {
		last := len(c.processes) - 1
		errs = append(errs, c.processes[last].stop(10*time.Second))
		c.processes = c.processes[:last]
	}
	releasePorts(c.ports)
	c.ports = nil
	errs = append(errs, c.socketDir.remove())
	if c.lock != nil {
		errs = append(errs, c.lock.Unlock())
		c.lock = nil
	}
	return errors.Join(errs...)
}
