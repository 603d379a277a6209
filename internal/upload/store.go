package upload

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// StoreNameOf is the name of the FileStore that an upload was opened in or, before that, is to be
// opened in; empty if its manifest leaves it to the namespace. What the spec names is immutable;
// the status is asked only where it names none.
func StoreNameOf(u *v1alpha1.MultipartUpload) string {
	if u.Spec.StoreName != "" {
		return u.Spec.StoreName
	}
	return u.Status.StoreName
}

// OpenedIn is the name of the FileStore that an upload was opened in, also of one that has ended
// since; empty before that.
func OpenedIn(u *v1alpha1.MultipartUpload) string {
	if u.Status.UploadID == "" {
		return ""
	}
	return StoreNameOf(u)
}

// Limits of parts, in bytes and numbers.
type Limits struct {
	// MinPartSize is the smallest part but for the last one, MaxPartSize the largest, in bytes.
	MinPartSize, MaxPartSize int64
	// MaxPartNumber is the highest number a client may send; the body of a complete may be one
	// higher.
	MaxPartNumber int32
	// MaxOpenUploads is how many uploads a namespace may have open at once, 0 for any number.
	MaxOpenUploads int32
	// MaxIncompleteBytes is how many bytes the open uploads of a namespace may hold together, 0 for
	// any number.
	MaxIncompleteBytes int64
	// PartsPerSecond and BytesPerSecond are what one replica takes of a namespace, 0 for any
	// number.
	PartsPerSecond int32
	BytesPerSecond int64
	// MaxUploadTTL is how long an upload may stay incomplete at most, 0 for any time.
	MaxUploadTTL time.Duration
}

// Count reports whether uploads of a namespace are to be counted before one more is let in: one
// whose size was declared, or one that has none.
func (l Limits) Count(declared bool) bool {
	return l.MaxOpenUploads > 0 || declared && l.MaxIncompleteBytes > 0
}

// DefaultLimits are parts of 5 MiB to 5 GiB, numbers 1..1000 (docs/rest-api.md, "Part").
var DefaultLimits = Limits{MinPartSize: 5 << 20, MaxPartSize: 5 << 30, MaxPartNumber: 1000}

// LimitsOf are the store's limits, with the default where it says nothing.
func LimitsOf(store *v1alpha1.FileStore) Limits {
	out := DefaultLimits
	l := store.Spec.Limits
	if l == nil {
		return out
	}
	if l.MinPartSize != nil {
		out.MinPartSize = l.MinPartSize.Value()
	}
	if l.MaxPartSize != nil {
		out.MaxPartSize = l.MaxPartSize.Value()
	}
	if l.MaxPartNumber != nil {
		out.MaxPartNumber = *l.MaxPartNumber
	}
	if l.MaxOpenUploadsPerNamespace != nil {
		out.MaxOpenUploads = *l.MaxOpenUploadsPerNamespace
	}
	if l.MaxIncompleteBytesPerNamespace != nil {
		out.MaxIncompleteBytes = l.MaxIncompleteBytesPerNamespace.Value()
	}
	if l.PartsPerSecondPerNamespace != nil {
		out.PartsPerSecond = *l.PartsPerSecondPerNamespace
	}
	if l.BytesPerSecondPerNamespace != nil {
		out.BytesPerSecond = l.BytesPerSecondPerNamespace.Value()
	}
	if l.MaxUploadTTL != nil {
		out.MaxUploadTTL = l.MaxUploadTTL.Duration
	}
	return out
}

// Namespace is what of a Namespace object decides on its stores.
type Namespace struct {
	Labels, Annotations map[string]string
}

// ResolveStore finds the FileStore that serves a namespace: the one named, else the one that the
// namespace's annotation names, else the default one (of several defaults the one created last, as
// with StorageClasses). It returns a *StoreError if there is none or it does not take the
// namespace.
func ResolveStore(name string, ns Namespace, stores []*v1alpha1.FileStore) (*v1alpha1.FileStore, error) {
	wanted := name
	if wanted == "" {
		wanted = ns.Annotations[v1alpha1.AnnotationNamespaceStore]
	}
	var found *v1alpha1.FileStore
	for _, s := range stores {
		switch {
		case wanted != "" && s.Name == wanted:
			found = s
		case wanted == "" && s.Annotations[v1alpha1.AnnotationDefaultStore] == "true":
			if found == nil || found.CreationTimestamp.Before(&s.CreationTimestamp) ||
				(found.CreationTimestamp.Equal(&s.CreationTimestamp) && s.Name < found.Name) {
				found = s
			}
		}
	}
	if found == nil {
		return nil, &StoreError{Reason: v1alpha1.ReasonStoreNotFound, Message: notFoundMessage(name, wanted)}
	}
	if err := takesNamespace(found, ns); err != nil {
		return nil, err
	}
	return found, nil
}

func notFoundMessage(name, wanted string) string {
	switch {
	case wanted == "":
		return fmt.Sprintf("no store is named and there is no default one: annotate a FileStore with %s=true, or the namespace with %s=NAME", v1alpha1.AnnotationDefaultStore, v1alpha1.AnnotationNamespaceStore)
	case name == "":
		return fmt.Sprintf("the FileStore %q, which the namespace's annotation %s names, does not exist", wanted, v1alpha1.AnnotationNamespaceStore)
	default:
		return fmt.Sprintf("the FileStore %q does not exist", wanted)
	}
}

func takesNamespace(store *v1alpha1.FileStore, ns Namespace) error {
	if store.Spec.NamespaceSelector == nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(store.Spec.NamespaceSelector)
	if err != nil {
		return &StoreError{Store: store, Reason: v1alpha1.ReasonStoreNotAllowed, Message: fmt.Sprintf("the namespaceSelector of FileStore %q is not valid: %v", store.Name, err)}
	}
	if !selector.Matches(labels.Set(ns.Labels)) {
		return &StoreError{Store: store, Reason: v1alpha1.ReasonStoreNotAllowed, Message: fmt.Sprintf("the FileStore %q does not take this namespace: its namespaceSelector is %s", store.Name, selector)}
	}
	return nil
}

// StoreError says why a namespace has no store. Reason is a condition reason.
type StoreError struct {
	Reason, Message string
	// Store is the FileStore that does not take the namespace, nil where there is none.
	Store *v1alpha1.FileStore
}

// Error implements error. The text names cluster-scoped objects: it is for the cluster's users
// (conditions), not for REST clients.
func (e *StoreError) Error() string { return e.Message }
