package filestore

import "github.com/iotfile-operator/iotfile-operator/api/v1alpha1"

// Probed is what was found of a FileStore with the spec that it has now; nil for nothing, since
// what was found of another endpoint says nothing about this one.
func Probed(fs *v1alpha1.FileStore) *v1alpha1.FileStoreCapabilities {
	if observed := fs.Status.ObservedGeneration; observed == nil || *observed != fs.Generation {
		return nil
	}
	return fs.Status.Capabilities
}

// Compares reports whether a store compares, at the moment at which a file that is sent in one
// request is stored, that no other is there (absent), or that the other one is still the same. A
// store that was not probed yet is taken for one that does.
func Compares(caps *v1alpha1.FileStoreCapabilities, absent bool) bool {
	if caps == nil {
		return true
	}
	found := caps.ConditionalPut
	if absent && caps.ConditionalCreate != nil {
		found = caps.ConditionalCreate
	}
	return found == nil || *found
}

// Yields reports whether a FileStore must not be used because another one has its keys. It may be
// that of an earlier spec: until the reconciler has judged the new one, nobody knows better.
func Yields(fs *v1alpha1.FileStore) bool {
	for i := range fs.Status.Conditions {
		if c := &fs.Status.Conditions[i]; c.Type == v1alpha1.ConditionReady && c.Reason == v1alpha1.ReasonPrefixOverlap {
			return true
		}
	}
	return false
}
