package main

import (
	"context"
	"crypto/rand"
	"embed"
	"path/filepath"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

//go:embed manifests
var manifests embed.FS

// Namespaces of the suite's own.
const (
	teamNamespace  = "team-a"
	storeNamespace = "object-store"
	bucketName     = "iotfile"
)

// suite is one run on one cluster.
type suite struct {
	*report
	*artifacts
	*cluster
	scratch   string
	client    kubernetes.Interface
	accessKey string
	secretKey string
	before    inventory
	load      *load
	// unasked: the installation began with a Secret that has not consented to its store.
	unasked bool
}

func newSuite(r *report, a *artifacts, c *cluster, scratch string) (*suite, error) {
	// Warnings are for people who write manifests.
	c.config.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return nil, err
	}
	c.home = filepath.Join(scratch, "home")
	return &suite{report: r, artifacts: a, cluster: c, scratch: scratch, client: client, accessKey: rand.Text()[:20], secretKey: rand.Text()}, nil
}

// kubectl runs kubectl as the administrator, with a text as its input.
func (s *suite) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	return s.program(ctx, strings.NewReader(stdin), s.Kubectl, args...)
}

// apply applies one of the suite's own manifests.
func (s *suite) apply(ctx context.Context, name string) error {
	text, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		return err
	}
	filled := strings.NewReplacer("STORE_ACCESS_KEY", s.accessKey, "STORE_SECRET_KEY", s.secretKey, "CLUSTER_DNS", devcluster.ClusterDNS).Replace(string(text))
	_, err = s.kubectl(ctx, filled, "apply", "--server-side", "-f", "-")
	return err
}

func (s *suite) certificates() string { return filepath.Join(s.scratch, "certificates") }
