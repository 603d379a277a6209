package v1alpha1

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// storeValidator refuses a FileStore that selects namespaces by what is no selector, and warns of what is seldom meant.
type storeValidator struct{ world *world }

// ValidateCreate implements admission.Validator.
func (v *storeValidator) ValidateCreate(ctx context.Context, fs *v1alpha1.FileStore) (admission.Warnings, error) {
	if err := checkSelector(fs); err != nil {
		return nil, err
	}
	return v.warnings(ctx, fs)
}

// ValidateUpdate implements admission.Validator.
func (v *storeValidator) ValidateUpdate(ctx context.Context, _, fs *v1alpha1.FileStore) (admission.Warnings, error) {
	if fs.DeletionTimestamp != nil {
		return nil, nil // what takes finalizers off must not be held up
	}
	if err := checkSelector(fs); err != nil {
		return nil, err
	}
	return v.warnings(ctx, fs)
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

// warnings tell of what is allowed, and seldom meant. They are for FileStores that are beside each other for good: one that is being deleted does not count.
func (v *storeValidator) warnings(ctx context.Context, fs *v1alpha1.FileStore) (admission.Warnings, error) {
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
		if other.Spec.Endpoint == fs.Spec.Endpoint && other.Spec.Bucket == fs.Spec.Bucket &&
			(strings.HasPrefix(other.Spec.Prefix, fs.Spec.Prefix) || strings.HasPrefix(fs.Spec.Prefix, other.Spec.Prefix)) {
			out = append(out, fmt.Sprintf("the FileStore %q uses the same bucket with the prefix %q: files of the two can get in each other's way, and so can their searches for orphans", other.Name, other.Spec.Prefix))
		}
	}
	return out, nil
}

func isDefault(fs *v1alpha1.FileStore) bool {
	return fs.Annotations[v1alpha1.AnnotationDefaultStore] == "true"
}
