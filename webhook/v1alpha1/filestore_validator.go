package v1alpha1

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// storeValidator refuses a FileStore that selects namespaces by what is no selector, or that has
// keys of another one, and warns of what is seldom meant.
type storeValidator struct{ world *world }

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
	var stores v1alpha1.FileStoreList
	if err := v.world.cached.List(ctx, &stores, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list FileStores: %w", err)
	}
	others := slices.DeleteFunc(stores.Items, func(other v1alpha1.FileStore) bool {
		return other.Name == fs.Name || other.DeletionTimestamp != nil
	})
	var out admission.Warnings
	for i := range others {
		other := &others[i]
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
	now := &v1alpha1.FileStore{}
	err := v.world.live.Get(ctx, client.ObjectKey{Name: name}, now)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get FileStore: %w", err)
	}
	return now.DeletionTimestamp == nil && upload.Overlap(&fs.Spec, &now.Spec), nil
}

func isDefault(fs *v1alpha1.FileStore) bool {
	return fs.Annotations[v1alpha1.AnnotationDefaultStore] == "true"
}
