package devcluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// ObjectStoreOptions says how an object store is started.
type ObjectStoreOptions struct {
	// Dir keeps data, credentials and the log; required. A store started on it again has the same
	// of each and, when it is free, the same port. Whoever made it removes it.
	Dir string
	// Port on 127.0.0.1; 0 for the one used before or any free one.
	Port int
	// Env holds further variables of the server, NAME=value.
	Env []string
	// Log is told about downloads and builds; nil for silence.
	Log io.Writer
}

// ObjectStore is a running S3 server. Its fields do not change while it lives, over any number of
// Restarts.
type ObjectStore struct {
	Kind StoreKind
	// Endpoint is its URL, http on 127.0.0.1.
	Endpoint string
	Region   string
	// AccessKey and SecretKey are those of the server's administrator, random and kept in Dir.
	AccessKey, SecretKey string
	// LogPath is the server's log.
	LogPath string

	dir     string
	env     []string
	source  storeSource
	program string
	lock    *fileLock
	ports   []*port
	process *process
	helpers []*process // what the server needs, in the order of their starts
	// helperPorts are those on which they listen.
	helperPorts []*port
}

// storeRegion is the region that all servers take requests for.
const storeRegion = "us-east-1"

// StartObjectStore starts a server of that kind on opts.Dir and returns when it is ready. It
// returns *AlreadyRunningError when opts.Dir is in use, and *MissingProgramsError where the kind
// needs Debian's packages that are not installed. Stop must be called; ctx bounds the start only.
func StartObjectStore(ctx context.Context, kind StoreKind, opts ObjectStoreOptions) (*ObjectStore, error) {
	if opts.Dir == "" {
		return nil, errors.New("object store: Dir is required")
	}
	// Absolute, because versitygw changes its working directory.
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	program, err := FindStore(ctx, opts.Log, kind)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &ObjectStore{
		Kind: kind, Region: storeRegion, LogPath: filepath.Join(dir, string(kind)+".log"),
		dir: dir, env: opts.Env, source: storeSources[kind], program: program, lock: lock,
	}
	if err := s.loadCredentials(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.start(ctx, opts.Port); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// loadCredentials reads the store's credentials, or makes them on the first start.
func (s *ObjectStore) loadCredentials() error {
	var keys struct{ AccessKey, SecretKey string }
	path := filepath.Join(s.dir, "credentials.json")
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(data, &keys); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	case errors.Is(err, os.ErrNotExist):
		keys.AccessKey, keys.SecretKey = cmp.Or(s.source.accessKey, rand.Text()[:20]), rand.Text()+rand.Text()[:14]
		data, err := json.Marshal(keys)
		if err != nil {
			return err
		}
		if err := writeFile(path, data); err != nil {
			return err
		}
	default:
		return err
	}
	s.AccessKey, s.SecretKey = keys.AccessKey, keys.SecretKey
	return nil
}

func (s *ObjectStore) start(ctx context.Context, wanted int) error {
	if s.source.before != nil {
		if err := s.source.before(s, ctx); err != nil {
			return err
		}
	}
	return s.serve(ctx, wanted)
}

// serve starts the process that serves S3, once what it needs runs.
func (s *ObjectStore) serve(ctx context.Context, wanted int) error {
	server := server{
		wanted: append([]int{wanted}, make([]int, s.source.ports-1)...),
		memory: filepath.Join(s.dir, "ports.json"),
		limit:  s.source.limit,
		start:  s.spawn,
		ready: func(ctx context.Context, ports []int) error {
			// Only our server knows our keys, so an answer is from it.
			client, err := s.client("http://" + address(ports[0]))
			if err != nil {
				return err
			}
			if _, err = client.ListBuckets(ctx); err == nil && s.source.writable != nil {
				err = s.source.writable(ctx, client)
			}
			return err
		},
	}
	p, ports, err := server.run(ctx)
	if err != nil {
		return err
	}
	s.process, s.ports, s.Endpoint = p, ports, "http://"+address(ports[0].number)
	return nil
}

func (s *ObjectStore) spawn(ports []int) (*process, error) {
	spec := processSpec{name: string(s.Kind), path: s.program, dir: s.dir, logPath: s.LogPath}
	if err := s.source.complete(s, &spec, ports); err != nil {
		return nil, err
	}
	spec.env = append(spec.env, s.env...)
	return startProcess(spec)
}

// help starts a program that the server needs. Its log is beside the server's.
func (s *ObjectStore) help(spec processSpec) (*process, error) {
	spec.dir, spec.logPath = s.dir, filepath.Join(s.dir, spec.name+".log")
	p, err := startProcess(spec)
	if err != nil {
		return nil, err
	}
	s.helpers = append(s.helpers, p)
	return p, nil
}

// processes are all that belong to the store.
func (s *ObjectStore) processes() []*process {
	if s.process == nil { // an external one
		return nil
	}
	return append(slices.Clone(s.helpers), s.process)
}

// PID is the id of the process that serves S3.
func (s *ObjectStore) PID() int { return s.process.pid() }

// CreateBucket makes a bucket. It is idempotent.
func (s *ObjectStore) CreateBucket(ctx context.Context, name string) error {
	client, err := s.client(s.Endpoint)
	if err != nil {
		return err
	}
	if exists, err := client.BucketExists(ctx, name); err != nil || exists {
		return err
	}
	return client.MakeBucket(ctx, name, minio.MakeBucketOptions{Region: s.Region})
}

// Stop ends the server at once for its clients, and returns when it is gone. Data, port and
// credentials are kept for Restart. It is idempotent.
func (s *ObjectStore) Stop() error {
	var err error
	if s.process != nil {
		err = s.process.stop(5 * time.Second)
	}
	for _, helper := range slices.Backward(s.helpers) {
		err = errors.Join(err, helper.stop(10*time.Second))
	}
	s.helpers = nil
	releasePorts(s.helperPorts)
	s.helperPorts = nil
	if s.lock != nil {
		err = errors.Join(err, s.lock.Unlock())
		s.lock = nil
	}
	return err
}

// Restart starts the server again on the same port and data, stopping it first if it still runs. It
// returns when it is ready.
func (s *ObjectStore) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	lock, err := lockDir(s.dir)
	if err != nil {
		return err
	}
	s.lock = lock
	number := s.ports[0].number
	releasePorts(s.ports)
	return s.start(ctx, number)
}

// StopServer ends the process that serves S3, at once for its clients. What it needs besides, such
// as Ceph's disk, goes on. StartServer or Stop is to follow. It is idempotent.
func (s *ObjectStore) StopServer() error { return s.process.stop(5 * time.Second) }

// StartServer starts again what StopServer has ended, on the same port. It returns when that is
// ready.
func (s *ObjectStore) StartServer(ctx context.Context) error {
	number := s.ports[0].number
	releasePorts(s.ports)
	return s.serve(ctx, number)
}

func (s *ObjectStore) client(endpoint string) (*minio.Client, error) {
	// One connection per request: a connection kept over a restart of the server would fail the
	// first request after it.
	return minio.New(endpoint[len("http://"):], &minio.Options{
		Creds:      credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""),
		Region:     s.Region,
		MaxRetries: 1,
		Transport:  &http.Transport{DisableKeepAlives: true},
	})
}
