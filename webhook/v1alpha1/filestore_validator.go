package v1alpha1

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// storeValidator refuses a FileStore that selects namespaces by what is no selector, or that has
// keys of another one, and warns of what is seldom meant.
type storeValidator struct{ catalog *catalog.Catalog }

// ValidateCreate implements admission.Validator.
func (v *storeValidator) ValidateCreate(ctx context.Context, fs *v1alpha1.FileStore) (admission.Warnings, error) {
	if err := checkSelector(fs); err != nil {
		return nil, err
	}
	return v.judge(ctx, nil, fs)
}

// ValidateUpdate implements admission.Validator.
func (v *storeValidator) ValidateUpdate(ctx context.Context, old, fs *v1alpha1.FileStore) (admission.Warnings, error) {
	if fs.DeletionTimestamp != nil {
		return nil, nil // what takes finalizers off must not be held up
	}
	if err := checkSelector(fs); err != nil {
		return nil, err
	}
	return v.judge(ctx, old, fs)
}

// ValidateDelete implements admission.Validator.
func (v *storeValidator) ValidateDelete(context.Context, *v1alpha1.FileStore) (admission.Warnings, error) {
	return nil, nil
}

// checkSelector refuses what the schema, which knows operators as text, lets through.
func checkSelector(fs *v1alpha1.FileStore) error {
	if _, err := metav1.LabelSelectorAsSelector(fs.Spec.NamespaceSelector); err != nil {
		return refuse(v1alpha1.ReasonInvalidConfiguration, fmt.Sprintf("spec.namespaceSelector is not valid: %v", err))
	}
	return nil
}

// judge compares a FileStore with the others. It is about FileStores that are beside each other for
// good: one that is being deleted does not count. A pair that is older than the refusal may be
// changed; that it should not stay is a warning.
func (v *storeValidator) judge(ctx context.Context, old, fs *v1alpha1.FileStore) (admission.Warnings, error) {
	stores, err := v.catalog.FileStores(ctx)
	if err != nil {
		return nil, err
	}
	var out admission.Warnings
	for _, other := range stores {
		if other.Name == fs.Name || other.DeletionTimestamp != nil {
			continue
		}
		if isDefault(fs) && isDefault(other) {
			out = append(out, fmt.Sprintf("the FileStore %q is a default one, too: of several, the one that was created last is used", other.Name))
		}
		if !upload.Overlap(&fs.Spec, &other.Spec) {
			continue
		}
		text := fmt.Sprintf("the FileStore %q uses the same bucket with the prefix %q: files of the two can get in each other's way, and so can their searches for orphans", other.Name, other.Spec.Prefix)
		if old != nil && upload.Overlap(&old.Spec, &other.Spec) {
			out = append(out, text)
			continue
		}
		switch there, err := v.overlapsLive(ctx, fs, other.Name); {
		case err != nil:
			return nil, err
		case there:
			return nil, refuse(v1alpha1.ReasonPrefixOverlap, text+"; choose another bucket, or a prefix that is not the beginning of that one, nor the reverse")
		}
	}
	return out, nil
}

// overlapsLive asks the API server before a refusal: the cache may still have what is gone.
func (v *storeValidator) overlapsLive(ctx context.Context, fs *v1alpha1.FileStore, name string) (bool, error) {
	now, err := v.catalog.LiveFileStore(ctx, name)
	if err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return now.DeletionTimestamp == nil && upload.Overlap(&fs.Spec, &now.Spec), nil
}

func isDefault(fs *v1alpha1.FileStore) bool {
	return fs.Annotations[v1alpha1.AnnotationDefaultStore] == "true"
}
