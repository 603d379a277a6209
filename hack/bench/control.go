package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// control is a run of measureControl.
type control struct {
	testbed *testbed
	admin   client.Client
	// brief keeps records for moments and open uploads for seconds, kept keeps both.
	brief, expiring, kept *tenant
}

// briefly is how long records of finished uploads stay, and incomplete uploads where they are to
// expire.
const briefly = 15 * time.Second

// measureControl counts what the life of an upload costs in calls, and measures how long its start
// and its completion take beside the bare cost of the same calls, and how many of them go in a
// second.
func measureControl(ctx context.Context, b *testbed, s settings) error {
	c := &control{testbed: b}
	var err error
	if c.admin, err = client.New(b.system.ControlPlane.RESTConfig(), client.Options{Scheme: b.scheme}); err != nil {
		return err
	}
	for _, t := range []struct {
		to            **tenant
		name          string
		upload, ended time.Duration
	}{{&c.brief, "brief", time.Hour, briefly}, {&c.expiring, "expiring", briefly, briefly}, {&c.kept, "kept", time.Hour, time.Hour}} {
		if *t.to, err = b.tenantOn(ctx, c.admin, t.name, s.clients, t.upload, t.ended); err != nil {
			return err
		}
	}
	fmt.Printf("\n%s; load average %s.\n", machine(), loadAverage())
	if err := c.countCalls(ctx, s.uploads); err != nil {
		return err
	}
	if err := c.compareWithFloor(ctx, s.uploads); err != nil {
		return err
	}
	return c.crowd(ctx, s.clients, s.uploads*10)
}

// tenantOn makes a FileStore that takes parts of any size, on the first object store and with a
// prefix of its own, and a tenant that uses it.
func (b *testbed) tenantOn(ctx context.Context, c client.Client, name string, connections int, uploadTTL, finishedTTL time.Duration) (*tenant, error) {
	fs := &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: name}}
	fs.Spec.Endpoint, fs.Spec.Region, fs.Spec.Bucket, fs.Spec.Prefix = b.stores[0].endpoint, region, tenantsBucket, name+"/"
	fs.Spec.Credentials = &v1alpha1.FileStoreCredentials{SecretRef: &v1alpha1.SecretReference{Name: b.stores[0].name}}
	fs.Spec.Limits = &v1alpha1.FileStoreLimits{MinPartSize: ptr.To(resource.MustParse("1"))}
	fs.Spec.UploadTTL, fs.Spec.FinishedTTL = &metav1.Duration{Duration: uploadTTL}, &metav1.Duration{Duration: finishedTTL}
	if err := c.Create(ctx, fs); err != nil {
		return nil, err
	}
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, client.ObjectKey{Name: name}, fs)
		return meta.IsStatusConditionTrue(fs.Status.Conditions, v1alpha1.ConditionReady), err
	})
	if err != nil {
		return nil, fmt.Errorf("FileStore %s does not get ready: %w", name, err)
	}
	return b.tenantOf(ctx, c, &store{name: name}, name, connections)
}

// tenantOf makes a namespace that the store serves, and a token for it.
func (b *testbed) tenantOf(ctx context.Context, c client.Client, s *store, name string, connections int) (*tenant, error) {
	if err := c.Create(ctx, s.namespace(name)); err != nil {
		return nil, err
	}
	token, err := b.system.ControlPlane.ApplicationToken(ctx, name, "bench", 12*time.Hour)
	if err != nil {
		return nil, err
	}
	return &tenant{
		url:    fmt.Sprintf("%s/namespaces/%s/api/iotfile/v3/files/%s", b.system.Operator.URL, name, entity),
		header: map[string]string{"Authorization": "Bearer " + token}, client: &http.Client{Transport: newTransport(connections)},
	}, nil
}

// put sends a request about a file, which has to be a success, and returns how long it took in
// seconds.
func (t *tenant) put(ctx context.Context, path, query, body string) (float64, error) {
	began := time.Now()
	_, err := request(ctx, t.client, http.MethodPut, t.url+"/"+path+"?"+query, strings.NewReader(body), int64(len(body)), t.header)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", path, query, err)
	}
	return time.Since(began).Seconds(), err
}

// await lists the uploads of a namespace until they are as they should be.
func (c *control) await(ctx context.Context, namespace, what string, done func([]v1alpha1.MultipartUpload) bool) error {
	var all v1alpha1.MultipartUploadList
	err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, expiryLimit, true, func(ctx context.Context) (bool, error) {
		err := c.admin.List(ctx, &all, client.InNamespace(namespace))
		return done(all.Items), err
	})
	if err != nil {
		return fmt.Errorf("the uploads of %s are not %s: %w", namespace, what, err)
	}
	return nil
}

// each reports whether all of them are.
func each(is func(*v1alpha1.MultipartUpload) bool) func([]v1alpha1.MultipartUpload) bool {
	return func(all []v1alpha1.MultipartUpload) bool {
		return !slices.ContainsFunc(all, func(u v1alpha1.MultipartUpload) bool { return !is(&u) })
	}
}
