package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// What the system is made of.
const (
	namespace   = "default"
	storeName   = "default"
	bucket      = "iotfile"
	orphanGrace = 45 * time.Second // longer than any pause
	tokenLife   = 24 * time.Hour
)

// world is the whole system, and what looks at it from outside.
type world struct {
	seed uint64
	kind devcluster.StoreKind
	dir  string
	// kept is where the logs will be if something is violated.
	kept   string
	report *report
	files  *fileSet
	atRest string // what the operators held when last looked at
	// onDisk is what the store's disk held when last looked at, onlyOnDisk what of it no open
	// record owned.
	onDisk     string
	onlyOnDisk []devcluster.UploadDir

	// unguarded: the FileStore says that the store compares nothing when it assembles a file. A
	// leader that is paused longer than its lease may overwrite a file then, and is not paused.
	unguarded bool
	// protection is the reason of its condition Protected when it was last looked at.
	protection string

	plane      *devcluster.ControlPlane
	store      *devcluster.ObjectStore
	planeLinks []*link // of each replica
	storeLink  *link
	gate       *gate // of the store
	replicas   replicaSet
	token      string // of the clients, good for longer than any run

	// kube and s3 go to the servers themselves, past all faults.
	kube client.Client
	s3   *minio.Core

	planeLock, storeLock sync.Mutex
	keepers              sync.WaitGroup
	letGo                context.CancelFunc
}

// build brings everything up, operators that are built with flags. stop is to be called whatever
// happens.
func (w *world) build(ctx context.Context, flags []string) error {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return err
	}
	w.plane, err = devcluster.StartControlPlane(ctx, devcluster.ControlPlaneOptions{
		Dir: filepath.Join(w.dir, "control-plane"), UnsafeNoFsync: true, Log: w.report.out, CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")},
	})
	if err != nil {
		return err
	}
	w.store, err = devcluster.StartObjectStore(ctx, w.kind, devcluster.ObjectStoreOptions{Dir: filepath.Join(w.dir, "store"), Log: w.report.out})
	if err != nil {
		return err
	}
	if err := w.store.CreateBucket(ctx, bucket); err != nil {
		return err
	}
	if w.s3, err = minio.NewCore(strings.TrimPrefix(w.store.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(w.store.AccessKey, w.store.SecretKey, ""), Region: w.store.Region, BucketLookup: minio.BucketLookupPath,
	}); err != nil {
		return err
	}
	w.gate = newGate()
	p, err := newProxy(w.store.Endpoint, w.gate, nil, w.seed, func(kind string) { w.report.fault("store: " + kind) })
	if w.storeLink, err = join("store", p, err); err != nil {
		return err
	}
	if err := w.setUpCluster(ctx); err != nil {
		return err
	}
	return w.startReplicas(ctx, flags)
}

// kubeconfigVia writes a kubeconfig like that of from, which reaches its cluster at another
// address, with another certificate.
func kubeconfigVia(from, to, address string, ca []byte) error {
	config, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return err
	}
	for _, cluster := range config.Clusters {
		cluster.Server, cluster.CertificateAuthorityData = address, ca
	}
	return clientcmd.WriteToFile(*config, to)
}

// startReplicas builds and starts the operators, each with a way of its own to the API server.
func (w *world) startReplicas(ctx context.Context, flags []string) error {
	binary := filepath.Join(w.dir, "operator")
	if err := devcluster.BuildOperator(ctx, w.report.out, binary, flags...); err != nil {
		return err
	}
	kubeconfig, err := w.plane.OperatorKubeconfig(ctx)
	if err != nil {
		return err
	}
	if w.token, err = w.plane.ApplicationToken(ctx, namespace, "chaos", tokenLife); err != nil {
		return err
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(w.plane.RESTConfig()))
	if err != nil {
		return err
	}
	cert, pem, err := newCertificate()
	if err != nil {
		return err
	}
	for i := range replicas {
		p, err := newProxy(w.plane.URL, transport, cert, w.seed+uint64(i)+1, func(kind string) { w.report.fault("API server: " + kind) })
		l, err := join(fmt.Sprintf("API server for %d", i), p, err)
		if err != nil {
			return err
		}
		w.planeLinks = append(w.planeLinks, l)
		path := filepath.Join(w.dir, fmt.Sprintf("operator-%d.kubeconfig", i))
		if err := kubeconfigVia(kubeconfig, path, "https://"+l.address(), pem); err != nil {
			return err
		}
		w.replicas = append(w.replicas, newReplica(w, i, binary, path))
	}
	var keeping context.Context
	keeping, w.letGo = context.WithCancel(context.WithoutCancel(ctx))
	for _, r := range w.replicas {
		if err := r.start(ctx); err != nil {
			return err
		}
		w.keepers.Go(func() { r.keep(keeping) })
	}
	return nil
}

// stop ends everything, in reverse order.
func (w *world) stop() error {
	var errs []error
	if w.letGo != nil {
		w.letGo()
		w.keepers.Wait()
	}
	for _, r := range w.replicas {
		if o := r.current(); o != nil {
			errs = append(errs, o.Kill())
		}
	}
	for _, l := range append(w.planeLinks, w.storeLink) {
		if l != nil {
			l.stop()
		}
	}
	if w.store != nil {
		errs = append(errs, w.store.Stop())
	}
	if w.plane != nil {
		errs = append(errs, w.plane.Stop())
	}
	return errors.Join(errs...)
}

// violated records a violation with the story of the file, if it is known of one.
func (w *world) violated(f *file, format string, args ...any) {
	text := fmt.Sprintf("seed %d, %s: ", w.seed, w.kind) + fmt.Sprintf(format, args...)
	if f != nil {
		text += "\n  " + f.story()
	}
	w.report.violation(text)
}

// until polls until check is content, and gives its last complaint when it has not been for so
// long.
func (w *world) until(ctx context.Context, limit time.Duration, check func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if sleep(ctx, 500*time.Millisecond) != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}
