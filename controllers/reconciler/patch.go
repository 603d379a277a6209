package reconciler

import "sigs.k8s.io/controller-runtime/pkg/client"

// LockedPatch is a merge patch that fails with a conflict if the record is newer than base.
func LockedPatch(base client.Object) client.Patch {
	return client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
}
