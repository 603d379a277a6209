package servingcert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// publishEvery is how soon a change of the files is told of, and a ConfigMap that is deleted is
	// made again.
	publishEvery = 10 * time.Second
	// publishOverlap is how long authorities are told of that the certificate is no longer of: for
	// replicas whose files are replaced later, which takes a kubelet some minutes.
	publishOverlap = time.Hour
	// annotationOverlap is until when they are.
	annotationOverlap = "iotfile.dev/old-authorities-until"
)

// Publisher writes the authorities of a certificate that is in files into a ConfigMap, for whoever
// may not read the Secret that the files are of. It runs on the replica that holds the lease. All
// fields are required.
type Publisher struct {
	// Client writes, Live reads, both at the API server.
	Client client.Client
	Live   client.Reader
	// ConfigMap is written. Whatever else it holds is left there.
	ConfigMap types.NamespacedName
	// Dir has tls.crt, and ca.crt or not.
	Dir string
	// Clock tells the time.
	Clock clock.WithTicker
	Log   logr.Logger
}

// Start implements manager.Runnable.
func (p *Publisher) Start(ctx context.Context) error {
	ticker := p.Clock.NewTicker(publishEvery)
	defer ticker.Stop()
	failed := false
	for {
		err := p.Publish(ctx)
		if err != nil && ctx.Err() == nil && !failed { // once, not every ten seconds
			p.Log.Error(err, "the authorities of the REST API's certificate are not told of", "configMap", p.ConfigMap.String())
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// Publish makes the ConfigMap what it has to be now. Whoever changes it meanwhile is heard first.
func (p *Publisher) Publish(ctx context.Context) error {
	served, err := servedAuthorities(p.Dir)
	if err != nil {
		return err
	}
	outrun := func(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
	return retry.OnError(retry.DefaultRetry, outrun, func() error { return p.write(ctx, served) })
}

func (p *Publisher) write(ctx context.Context, served []*certificate) error {
	found := &corev1.ConfigMap{}
	err := p.Live.Get(ctx, p.ConfigMap, found)
	switch {
	case apierrors.IsNotFound(err):
		found.ObjectMeta = metav1.ObjectMeta{
			Namespace: p.ConfigMap.Namespace, Name: p.ConfigMap.Name,
			Labels: map[string]string{"app.kubernetes.io/name": "iotfile-operator", "app.kubernetes.io/component": "data-plane"},
		}
		tell(found, served, p.Clock.Now())
		if err := p.Client.Create(ctx, found); err != nil {
			return fmt.Errorf("create the ConfigMap %s: %w", p.ConfigMap, err)
		}
	case err != nil:
		return fmt.Errorf("read the ConfigMap %s: %w", p.ConfigMap, err)
	case tell(found, served, p.Clock.Now()):
		//nolint:forbidigo // it was read whole, from the API server
		if err := p.Client.Update(ctx, found); err != nil {
			return fmt.Errorf("update the ConfigMap %s: %w", p.ConfigMap, err)
		}
	}
	return nil
}

// tell has a ConfigMap say what it has to at now, and reports whether it did not.
func tell(told *corev1.ConfigMap, served []*certificate, now time.Time) (changed bool) {
	before := parseCertificates([]byte(told.Data[KeyTrusted]))
	until, _ := time.Parse(time.RFC3339, told.Annotations[annotationOverlap]) // none: nothing overlaps
	all, until := overlapping(before, served, until, now)
	text, annotation := string(encodeCertificates(all...)), ""
	if !until.IsZero() {
		annotation = until.UTC().Format(time.RFC3339)
	}
	changed = told.Data[KeyTrusted] != text || told.Annotations[annotationOverlap] != annotation
	if told.Data == nil {
		told.Data = map[string]string{}
	}
	told.Data[KeyTrusted] = text
	delete(told.Annotations, annotationOverlap)
	if annotation != "" {
		metav1.SetMetaDataAnnotation(&told.ObjectMeta, annotationOverlap, annotation)
	}
	return changed
}

// overlapping says which authorities are told of at now, where those of before were, and until when
// the old ones among them are. The served ones come first.
func overlapping(before, served []*certificate, until, now time.Time) (told []*certificate, end time.Time) {
	var old []*certificate
	for _, cert := range before {
		if !contains(served, cert) && now.Before(cert.NotAfter) {
			old = append(old, cert)
		}
	}
	for _, cert := range served {
		if !contains(before, cert) {
			until = now.Add(publishOverlap)
		}
	}
	if len(old) == 0 || !now.Before(until) {
		return served, time.Time{}
	}
	return append(served[:len(served):len(served)], old...), until
}

func contains(certs []*certificate, cert *certificate) bool {
	for _, c := range certs {
		if c.Equal(cert) {
			return true
		}
	}
	return false
}

// servedAuthorities are those that a client checks the certificate in dir with: ca.crt, or what
// follows the certificate itself, or the certificate, which is then of nobody else.
func servedAuthorities(dir string) ([]*certificate, error) {
	text, err := os.ReadFile(filepath.Join(dir, KeyTrusted))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the authorities of the certificate: %w", err)
	}
	if certs := parseCertificates(text); len(certs) > 0 {
		return certs, nil
	}
	if text, err = os.ReadFile(filepath.Join(dir, KeyCertificate)); err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	certs := parseCertificates(text)
	switch len(certs) {
	case 0:
		return nil, fmt.Errorf("%s has no certificate", filepath.Join(dir, KeyCertificate))
	case 1:
		return certs, nil
	}
	return certs[1:], nil
}
