package dataplane

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// BenchmarkPartOverhead is all that a part costs but its bytes: routing, finding its upload among
// so many in the cache, admission, the answer, the log line, the metrics. No store and no socket is
// behind it. With -short there are fewer uploads.
func BenchmarkPartOverhead(b *testing.B) {
	uploads := 100_000
	if testing.Short() {
		uploads = 10_000
	}
	b.Run(fmt.Sprintf("uploads=%d", uploads), func(b *testing.B) {
		s := benchServer(b, uploads, nil)
		body := strings.NewReader("x")
		i := 0
		b.ReportAllocs()
		before := cpuTime(b)
		for b.Loop() {
			i = (i + 7919) % uploads // a prime: all over the cache
			body.Reset("x")
			r := httptest.NewRequest(http.MethodPut, "http://127.0.0.1/namespaces/bench/api/iotfile/v3/files/"+benchEntity+"/"+benchPath(i)+"?part=1", body)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != http.StatusCreated {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op") // of all threads, the collector's too
	})
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchEntity = "0123456789abcdef0123456789abcdef"

func benchPath(i int) string { return fmt.Sprintf("dir/file-%d", i) }

// benchServer is a Server on a real cache that is filled without an API server, as wrap, if that is
// not nil, shows it to the Server.
func benchServer(b testing.TB, uploads int, wrap func(cache.Cache) cache.Cache) *Server {
	b.Helper()
	api := httptest.NewServer(http.HandlerFunc(emptyAPI))
	b.Cleanup(api.Close)
	ctx := b.Context()
	scheme := runtime.NewScheme()
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, err := range []error{clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)} {
		if err != nil {
			b.Fatal(err)
		}
	}
	mapper.Add(v1alpha1.GroupVersion.WithKind("MultipartUpload"), meta.RESTScopeNamespace)
	mapper.Add(v1alpha1.GroupVersion.WithKind("FileStore"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	config := &rest.Config{Host: api.URL}
	known, err := cache.New(config, cache.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		b.Fatal(err)
	}
	if err := catalog.SetupIndexes(ctx, known); err != nil {
		b.Fatal(err)
	}
	shown := known
	if wrap != nil {
		shown = wrap(known)
	}
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper, Cache: &client.CacheOptions{Reader: shown}})
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Options{BindAddress: "127.0.0.1:0", Client: c, Catalog: catalog.New(shown, c), Cache: shown, Stores: forgetful{}})
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = known.Start(ctx) }()
	if !known.WaitForCacheSync(ctx) {
		b.Fatal("the cache does not fill")
	}
	fs := &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: "store", Annotations: map[string]string{v1alpha1.AnnotationDefaultStore: "true"}}}
	fs.Spec.Limits = &v1alpha1.FileStoreLimits{MinPartSize: ptr.To(resource.MustParse("1"))}
	fill(b, known, &corev1.Namespace{}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bench"}})
	fill(b, known, &v1alpha1.FileStore{}, fs)
	for i := range uploads {
		fill(b, known, &v1alpha1.MultipartUpload{}, benchUpload(i))
	}
	return s
}

func fill(b testing.TB, known cache.Cache, kind, obj client.Object) {
	b.Helper()
	informer, err := known.GetInformer(b.Context(), kind)
	if err != nil {
		b.Fatal(err)
	}
	if err := informer.(toolscache.SharedIndexInformer).GetIndexer().Add(obj); err != nil {
		b.Fatal(err)
	}
}

// benchUpload is an upload that takes parts.
func benchUpload(i int) *v1alpha1.MultipartUpload {
	file := upload.File{Namespace: "bench", EntityID: benchEntity, Path: benchPath(i)}
	u := &v1alpha1.MultipartUpload{}
	u.Namespace, u.Name, u.UID = file.Namespace, upload.Name("store", file), "uid"
	u.Spec.StoreName, u.Spec.EntityID, u.Spec.Path, u.Spec.DesiredState = "store", file.EntityID, file.Path, v1alpha1.DesiredStateUploading
	u.Status.StoreName, u.Status.UploadID, u.Status.ObjectKey = "store", "upload-id", "bench/"+file.EntityID+"/"+file.Path
	u.Status.StartTime, u.Status.ExpirationTime = ptr.To(metav1.Now()), ptr.To(metav1.NewTime(time.Now().Add(time.Hour)))
	return u
}

// emptyAPI is an API server that has nothing, and where nothing happens.
func emptyAPI(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("sendInitialEvents") {
		http.Error(w, "not known", http.StatusUnprocessableEntity)
		return
	}
	if r.URL.Query().Get("watch") != "" {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	kind, version := "NamespaceList", "v1"
	switch {
	case strings.HasSuffix(r.URL.Path, "/multipartuploads"):
		kind, version = "MultipartUploadList", v1alpha1.GroupVersion.String()
	case strings.HasSuffix(r.URL.Path, "/filestores"):
		kind, version = "FileStoreList", v1alpha1.GroupVersion.String()
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[]}`, kind, version)
}

// forgetful is a Store that reads parts and forgets them.
type forgetful struct{ Store }

func (f forgetful) Get(context.Context, string) (Store, error) { return f, nil }

func (forgetful) PutPart(_ context.Context, _ filestore.UploadRef, number int32, body io.Reader, size int64) (filestore.Part, error) {
	var p [16]byte
	_, err := body.Read(p[:])
	return filestore.Part{Number: number, Size: size, ETag: "x"}, err
}
