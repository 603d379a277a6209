// Package v1alpha1 is the API group iotfile.dev/v1alpha1: MultipartUpload, one upload of one file,
// and FileStore, a bucket that the platform team offers to namespaces.
//
// The package holds types, documented constants and schema markers, and no logic: internal/upload
// decides what they mean.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package=../applyconfiguration
// +groupName=iotfile.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every kind in this package. It begins the name of every finalizer,
// label and annotation of this project.
const GroupName = "iotfile.dev"

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion by the name that generated code uses.
var SchemeGroupVersion = GroupVersion

// AddToScheme registers the kinds of this package with a scheme. It is idempotent.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&FileStore{}, &FileStoreList{},
		&MultipartUpload{}, &MultipartUploadList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
