package main

import (
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// trimmer makes objects small on their way into the cache, where there may be a hundred thousand
// MultipartUploads. What tenants can make large and nobody in this process reads from the cache
// goes: managed fields, annotations, owner references, labels but one. What is equal in many
// uploads is there once: each string of a decoded object is a copy of its own. The objects of the
// cache are never changed, so they may share.
//
// What is written back is a patch from a cached object to a changed copy of it: what both lack is
// not touched. An Update would delete it, and is forbidden (.golangci.yml). Finalizers stay whole,
// since a patch names all of them.
type trimmer struct {
	mu         sync.Mutex
	strings    map[string]string
	labels     []map[string]string
	finalizers [][]string
}

// How many different values are kept to be shared. Beyond them, which takes as many namespaces and
// users, a value is kept with its object.
const (
	sharedStrings = 1 << 14
	sharedSets    = 16
)

func newTrimmer() *trimmer { return &trimmer{strings: map[string]string{}} }

// trim is a transformation of an informer: it may change obj, which nobody else has yet.
func (t *trimmer) trim(obj any) (any, error) {
	u, ok := obj.(*v1alpha1.MultipartUpload)
	if !ok {
		return obj, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	trimMetadata(u)
	u.Labels = only(u.Labels, v1alpha1.LabelCreatedThrough)
	t.shareAll(&u.Kind, &u.APIVersion, &u.Namespace, &u.Spec.StoreName, &u.Spec.ContentType, &u.Spec.CreatedBy, &u.Status.StoreName)
	share(t, &u.Spec.DesiredState)
	share(t, &u.Status.Phase)
	if len(u.Labels) > 0 {
		u.Labels = shareSet(&t.labels, u.Labels, maps.Equal)
	}
	if len(u.Finalizers) > 0 {
		u.Finalizers = shareSet(&t.finalizers, u.Finalizers, slices.Equal)
	}
	u.Status.Conditions = slices.Clone(u.Status.Conditions) // decoding left room for more
	t.trimConditions(u.Status.Conditions)
	sharePath(u)
	return u, nil
}

// trimMetadata takes away what nobody reads of a cached object of any kind.
func trimMetadata(obj metav1.Object) {
	obj.SetManagedFields(nil)
	obj.SetAnnotations(nil)
	obj.SetOwnerReferences(nil)
	obj.SetGenerateName("")
}

// trimNamespace keeps of a namespace what chooses its store: an annotation, and its labels, which
// selectors see. Its admin, who is a tenant, can annotate it.
func trimNamespace(obj any) (any, error) {
	ns, ok := obj.(*corev1.Namespace)
	if !ok {
		return obj, nil
	}
	kept := only(ns.Annotations, v1alpha1.AnnotationNamespaceStore)
	trimMetadata(ns)
	ns.Annotations = kept
	ns.Spec, ns.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
	return ns, nil
}

// only is the part of m that key has, with a copy of its value: a decoded value may be part of
// something larger.
func only(m map[string]string, key string) map[string]string {
	value, ok := m[key]
	if !ok {
		return nil
	}
	return map[string]string{key: strings.Clone(value)}
}

func (t *trimmer) trimConditions(conditions []metav1.Condition) {
	for i := range conditions {
		c := &conditions[i]
		t.shareAll(&c.Type, &c.Reason, &c.Message)
		share(t, &c.Status)
	}
}

func (t *trimmer) shareAll(values ...*string) {
	for _, value := range values {
		share(t, value)
	}
}

// share replaces the string by an equal one that is known, or makes it known.
func share[S ~string](t *trimmer, value *S) {
	known, ok := t.strings[string(*value)]
	switch {
	case ok:
		*value = S(known)
	case len(t.strings) < sharedStrings:
		own := strings.Clone(string(*value)) // what was decoded may be part of something larger
		t.strings[own], *value = own, S(own)
	}
}

// shareSet is share for labels and finalizers, of which there are few different ones.
func shareSet[S any](known *[]S, value S, equal func(a, b S) bool) S {
	for _, k := range *known {
		if equal(k, value) {
			return k
		}
	}
	if len(*known) < sharedSets {
		*known = append(*known, value)
	}
	return value
}

// sharePath has entity and path be parts of the object's key, which ends with both.
func sharePath(u *v1alpha1.MultipartUpload) {
	key, tail := u.Status.ObjectKey, u.Spec.EntityID+"/"+u.Spec.Path
	if at := len(key) - len(tail); at >= 0 && key[at:] == tail {
		u.Spec.EntityID, u.Spec.Path = key[at:at+len(u.Spec.EntityID)], key[at+len(u.Spec.EntityID)+1:]
	}
}
