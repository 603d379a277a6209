// Command conformance tells of an object store what works there and what does not: it runs the
// suite that every store of this project has to pass, then the REST API on two replicas of the
// operator, and prints a table, what the FileStore says, and a verdict.
//
// The store is one that somebody serves (-endpoint, -bucket, and the keys in AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY), or one that is started here (-store). What is made in the bucket is below
// the prefix, and what is left of it may be deleted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// limit bounds a whole run, so that no store keeps it for ever.
const limit = 40 * time.Minute

type settings struct {
	store    devcluster.ExternalStore
	kind     string
	races    int
	flowOnly bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has taken %s", limit))
	defer cancel()
	var s settings
	flag.StringVar(&s.store.Endpoint, "endpoint", "", "URL of the store, such as https://s3.eu-central-1.amazonaws.com")
	flag.StringVar(&s.store.Bucket, "bucket", "", "the bucket, which must exist")
	flag.StringVar(&s.store.Region, "region", "us-east-1", "the region that requests are signed for")
	flag.StringVar(&s.store.Prefix, "prefix", "iotfile-conformance/", "what the keys of all that is made begin with")
	flag.StringVar(&s.kind, "store", "", fmt.Sprintf("a store to start here instead, one of %v", devcluster.StoreKinds()))
	flag.IntVar(&s.races, "races", 20, "how many races of each kind")
	flag.BoolVar(&s.flowOnly, "flow", false, "leave the suite out")
	flag.Parse()
	s.store.AccessKey, s.store.SecretKey = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	passed, err := run(ctx, &s, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	case !passed:
		os.Exit(1)
	}
}

// run reports whether everything has passed. An error means that it could not be tried.
func run(ctx context.Context, s *settings, out io.Writer) (passed bool, err error) {
	dir, err := os.MkdirTemp("", "iotfile-conformance-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.kind != "" {
		store, startErr := devcluster.StartObjectStore(ctx, devcluster.StoreKind(s.kind), devcluster.ObjectStoreOptions{Dir: filepath.Join(dir, "store"), Log: os.Stderr})
		if startErr != nil {
			return false, startErr
		}
		defer func() { err = errors.Join(err, store.Stop()) }()
		if err := store.CreateBucket(ctx, devcluster.Bucket); err != nil {
			return false, err
		}
		s.store = devcluster.ExternalStore{
			Endpoint: store.Endpoint, Region: store.Region, Bucket: devcluster.Bucket, Prefix: s.store.Prefix, AccessKey: store.AccessKey, SecretKey: store.SecretKey,
		}
	}
	if s.store.Endpoint == "" || s.store.Bucket == "" || s.store.AccessKey == "" || s.store.SecretKey == "" {
		return false, errors.New("name -endpoint and -bucket, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or a -store to start here")
	}
	began := time.Now()
	passed, err = s.try(ctx, dir, out)
	if err != nil {
		return false, err
	}
	verdict := "PASSED"
	if !passed {
		verdict = "FAILED"
	}
	fmt.Fprintf(out, "\n%s: %s in %s\n", s.store.Endpoint, verdict, time.Since(began).Round(time.Second))
	return passed, nil
}

// try reports whether all has passed, or whether a store that is known not to be usable is refused.
func (s *settings) try(ctx context.Context, dir string, out io.Writer) (passed bool, err error) {
	if reason := unusable[devcluster.StoreKind(s.kind)]; reason != "" {
		return refused(ctx, s, reason, filepath.Join(dir, "system"), out)
	}
	passed = true
	if !s.flowOnly {
		if passed, err = runSuite(ctx, &s.store, dir, out); err != nil {
			return false, err
		}
	}
	flow, err := runFlow(ctx, s, filepath.Join(dir, "system"), out)
	return passed && flow, err
}
