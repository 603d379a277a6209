package e2e

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestForeignSecret has somebody who may write FileStores point one at a host of its own, with the
// keys of somebody else: nothing is sent there before the Secret names the FileStore.
func TestForeignSecret(t *testing.T) {
	const name = "thief"
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	var heard atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			_ = conn.Close()
		}
	}()
	defer func() { _ = listener.Close(); <-done }()

	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: devcluster.OperatorNamespace, Name: name, Annotations: map[string]string{v1alpha1.AnnotationStores: "thief2, main"}},
		StringData: map[string]string{v1alpha1.SecretKeyAccessKeyID: "somebody", v1alpha1.SecretKeySecretAccessKey: "a-key-of-somebody-else"},
	}
	remember("a-key-of-somebody-else")
	fs := &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.FileStoreSpec{
		Endpoint: "http://" + listener.Addr().String(), Bucket: "files",
		Credentials: &v1alpha1.FileStoreCredentials{SecretRef: &v1alpha1.SecretReference{Name: name}},
	}}
	for _, obj := range []client.Object{secret, fs} {
		check(t, system.kube.Create(t.Context(), obj))
	}
	reason := func(want string) {
		t.Helper()
		eventually(t, "the FileStore is not ready: "+want, func() error {
			if err := system.kube.Get(t.Context(), client.ObjectKeyFromObject(fs), fs); err != nil {
				return err
			}
			if c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Reason != want || c.Status != metav1.ConditionFalse {
				return fmt.Errorf("it is %+v", c)
			}
			return nil
		})
	}
	reason(v1alpha1.ReasonSecretWithoutConsent)
	if n := heard.Load(); n != 0 {
		t.Errorf("the host was called %d times without consent", n)
	}
	before := secret.DeepCopy()
	secret.Annotations[v1alpha1.AnnotationStores] = "main, " + name
	check(t, system.kube.Patch(t.Context(), secret, client.MergeFrom(before)))
	reason(v1alpha1.ReasonUnreachable)
	if heard.Load() == 0 {
		t.Error("the host was not called with consent: the test shows nothing")
	}
	for _, obj := range []client.Object{fs, secret} {
		check(t, system.kube.Delete(t.Context(), obj))
	}
}
