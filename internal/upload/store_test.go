package upload_test

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestResolveStore(t *testing.T) {
	younger := func(fs *v1alpha1.FileStore) { fs.CreationTimestamp = metav1.NewTime(testkit.Epoch.Add(time.Hour)) }
	notDefault := func(fs *v1alpha1.FileStore) {
		metav1.SetMetaDataAnnotation(&fs.ObjectMeta, v1alpha1.AnnotationDefaultStore, "false")
	}
	badSelector := func(fs *v1alpha1.FileStore) {
		fs.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Sounds"}}}
	}
	plain, standard := testkit.Store("plain"), testkit.Store("standard", testkit.Default())
	picky := testkit.Store("picky", testkit.OnlyFor("tier", "gold"))
	gold := upload.Namespace{Labels: map[string]string{"tier": "gold"}}
	annotated := upload.Namespace{Annotations: map[string]string{v1alpha1.AnnotationNamespaceStore: "plain"}}
	for _, c := range []struct {
		name   string
		asked  string
		ns     upload.Namespace
		stores []*v1alpha1.FileStore
		want   string
		reason string
	}{
		{name: "Named", asked: "plain", stores: []*v1alpha1.FileStore{standard, plain}, want: "plain"},
		{name: "NamedBeforeAnnotated", asked: "standard", ns: annotated, stores: []*v1alpha1.FileStore{standard, plain}, want: "standard"},
		{name: "Annotated", ns: annotated, stores: []*v1alpha1.FileStore{standard, plain}, want: "plain"},
		{name: "Default", stores: []*v1alpha1.FileStore{plain, standard}, want: "standard"},
		{name: "YoungestDefault", stores: []*v1alpha1.FileStore{testkit.Store("new", testkit.Default(), younger), standard}, want: "new"},
		{name: "DefaultsOfOneAge", stores: []*v1alpha1.FileStore{standard, testkit.Store("another", testkit.Default())}, want: "another"},
		{name: "SelectorMatches", asked: "picky", ns: gold, stores: []*v1alpha1.FileStore{picky}, want: "picky"},
		{name: "NamedButAbsent", asked: "gone", stores: []*v1alpha1.FileStore{standard}, reason: v1alpha1.ReasonStoreNotFound},
		{name: "AnnotatedButAbsent", ns: annotated, stores: []*v1alpha1.FileStore{standard}, reason: v1alpha1.ReasonStoreNotFound},
		{name: "NoDefault", stores: []*v1alpha1.FileStore{plain, testkit.Store("no", notDefault)}, reason: v1alpha1.ReasonStoreNotFound},
		{name: "None", reason: v1alpha1.ReasonStoreNotFound},
		{name: "SelectorRefuses", asked: "picky", stores: []*v1alpha1.FileStore{picky}, reason: v1alpha1.ReasonStoreNotAllowed},
		{name: "SelectorInvalid", asked: "bad", ns: gold, stores: []*v1alpha1.FileStore{testkit.Store("bad", badSelector)}, reason: v1alpha1.ReasonStoreNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := upload.ResolveStore(c.asked, c.ns, c.stores)
			var refused *upload.StoreError
			switch {
			case c.reason == "" && (err != nil || got.Name != c.want):
				t.Errorf("got %v, %v; want %s", got, err, c.want)
			case c.reason != "" && (!errors.As(err, &refused) || refused.Reason != c.reason || refused.Error() == "" || (refused.Store != nil) != (c.reason == v1alpha1.ReasonStoreNotAllowed)):
				t.Errorf("got %v, %v; want reason %s", got, err, c.reason)
			}
		})
	}
}

func TestLimitsOf(t *testing.T) {
	if got := upload.LimitsOf(testkit.Store("s")); got != upload.DefaultLimits || got.MinPartSize != 5_242_880 || got.MaxPartNumber != 1000 {
		t.Errorf("the default limits are %+v", got)
	}
	fs := testkit.Store("s")
	fs.Spec.Limits = &v1alpha1.FileStoreLimits{
		MinPartSize: ptr.To(resource.MustParse("1Mi")), MaxPartSize: ptr.To(resource.MustParse("1G")), MaxPartNumber: ptr.To[int32](10), MaxOpenUploadsPerNamespace: ptr.To[int32](2),
	}
	want := upload.Limits{MinPartSize: 1 << 20, MaxPartSize: 1_000_000_000, MaxPartNumber: 10, MaxOpenUploads: 2}
	if got := upload.LimitsOf(fs); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	fs.Spec.Limits = &v1alpha1.FileStoreLimits{MaxPartNumber: ptr.To[int32](10)}
	if got := upload.LimitsOf(fs); got.MinPartSize != upload.DefaultLimits.MinPartSize || got.MaxPartNumber != 10 {
		t.Errorf("what is left out is not the default: %+v", got)
	}
}

func TestDisplayBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 5 << 20: "5 MiB", 96 << 20: "96 MiB", 3 << 29: "1.5 GiB",
		1<<20 + 1<<16: "1.1 MiB", 150<<20 + 1<<18: "150 MiB", 1<<20 - 1: "1 MiB", 10<<30 - 1: "10 GiB", 1<<63 - 1: "8 EiB",
	} {
		if got := upload.DisplayBytes(n); got != want {
			t.Errorf("DisplayBytes(%d) = %q, want %q", n, got, want)
		}
	}
}
