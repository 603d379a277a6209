package controllers_test

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// A cache of everything shows its own objects, one of a namespace copies of them; both show all.
func TestCatalogOfEveryCache(t *testing.T) {
	r := newRig(t)
	r.create("one")
	r.create("two", testkit.ForFile(testkit.Entity, "two"))
	for name, options := range map[string]cache.Options{
		"Everything": {Scheme: scheme}, "OneNamespace": {Scheme: scheme, DefaultNamespaces: map[string]cache.Config{r.ns: {}}},
	} {
		t.Run(name, func(t *testing.T) {
			known, err := cache.New(plane.config, options)
			r.must(err)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() { _ = known.Start(ctx) }()
			if !known.WaitForCacheSync(ctx) {
				t.Fatal("the cache does not start")
			}
			seen := map[string]bool{}
			r.must(catalog.New(known, r.direct).EachUpload(ctx, func(u *v1alpha1.MultipartUpload) {
				if u.Namespace == r.ns {
					seen[u.Name] = true
				}
			}))
			if len(seen) != 2 || !seen["one"] || !seen["two"] {
				t.Errorf("it shows %v", seen)
			}
		})
	}
}
