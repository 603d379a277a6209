package multipartupload

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// moreThanProgress passes the events of an upload but for those that tell of its progress alone.
// The data plane writes that every few seconds for each upload that gets parts, nothing is decided
// by it, and a pass for each would be most of what the leader does. The look that is planned
// already stays planned.
func moreThanProgress() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*v1alpha1.MultipartUpload)
		after, ok2 := e.ObjectNew.(*v1alpha1.MultipartUpload)
		if !ok1 || !ok2 || before.ResourceVersion == after.ResourceVersion { // the latter are all looked at again
			return true
		}
		a, b := *before, *after
		a.ResourceVersion, a.ManagedFields, a.Status.Progress = "", nil, nil
		b.ResourceVersion, b.ManagedFields, b.Status.Progress = "", nil, nil
		return !equality.Semantic.DeepEqual(&a, &b)
	}}
}
