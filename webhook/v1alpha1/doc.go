// Package v1alpha1 judges MultipartUploads and FileStores when they are created or changed, as far
// as the schema cannot: it needs other objects, or the request's user, for it. An admission is
// early advice to whoever is at the keyboard; for uploads the reconciler, which judges the same
// things again, has the last word.
//
// Start with multipartupload_validator.go. The package imports api, internal/catalog and
// internal/upload.
//
// What happens to requests while no replica answers (failurePolicy):
//
//   - Defaulting uploads: Fail. An upload whose createdBy its author has chosen would be a forgery
//     that nobody could tell from the truth later.
//   - Validating uploads: Ignore. The reconciler finds the same faults, and says so in the status;
//     nothing is opened in object storage meanwhile.
//   - Keeping the finalizer: Ignore. The policy in config/policy refuses what is still missing, and
//     says what to do instead.
//   - Validating FileStores: Fail. A selector that is no selector would select nobody, unnoticed.
//
// The finalizer is kept by conditions alone: its webhook is called only for a change that takes the
// finalizer off an upload that has not ended. Who holds the right "override", as the operator and
// cluster-admins do, passes if the record is being deleted already: that is meant, and a
// `kubectl replace` of a live record, with whatever rights, is not.
//
// None of the rest is asked for what the operator itself creates (matchConditions), so that the
// data plane's starts neither wait for a webhook nor fail with it. It says truly who asked, because
// it has authenticated them, and has checked the rest.
//
// +kubebuilder:webhookconfiguration:mutating=true,name=iotfile-operator
// +kubebuilder:webhookconfiguration:mutating=false,name=iotfile-operator
// +kubebuilder:webhook:mutating=true,path=/mutate-iotfile-dev-v1alpha1-multipartupload,name=default.multipartuploads.iotfile.dev,groups=iotfile.dev,versions=v1alpha1,resources=multipartuploads,verbs=create,failurePolicy=fail,sideEffects=None,admissionReviewVersions=v1,timeoutSeconds=5,serviceName=iotfile-operator-webhook,serviceNamespace=iotfile-system,patch=`{"matchConditions":[{"name":"not-the-operator-itself","expression":"!(request.userInfo.username in ['system:serviceaccount:iotfile-system:iotfile-operator', 'system:serviceaccount:iotfile-system:iotfile-operator-data-plane'])"}]}`
// +kubebuilder:webhook:mutating=true,path=/keep-finalizer-iotfile-dev-v1alpha1-multipartupload,name=finalizer.multipartuploads.iotfile.dev,groups=iotfile.dev,versions=v1alpha1,resources=multipartuploads,verbs=update,failurePolicy=ignore,sideEffects=None,admissionReviewVersions=v1,timeoutSeconds=5,serviceName=iotfile-operator-webhook,serviceNamespace=iotfile-system,patch=`{"matchConditions":[{"name":"takes-the-finalizer-off","expression":"'iotfile.dev/abort-upload' in oldObject.metadata.?finalizers.orValue([]) && !('iotfile.dev/abort-upload' in object.metadata.?finalizers.orValue([]))"},{"name":"has-not-ended","expression":"!oldObject.?status.completionTime.hasValue()"},{"name":"is-not-let-go-by-right","expression":"!has(oldObject.metadata.deletionTimestamp) || !authorizer.group('iotfile.dev').resource('multipartuploads').subresource('guard').check('override').allowed()"}]}`
// +kubebuilder:webhook:mutating=false,path=/validate-iotfile-dev-v1alpha1-multipartupload,name=validate.multipartuploads.iotfile.dev,groups=iotfile.dev,versions=v1alpha1,resources=multipartuploads,verbs=create,failurePolicy=ignore,sideEffects=None,admissionReviewVersions=v1,timeoutSeconds=5,serviceName=iotfile-operator-webhook,serviceNamespace=iotfile-system,patch=`{"matchConditions":[{"name":"not-the-operator-itself","expression":"!(request.userInfo.username in ['system:serviceaccount:iotfile-system:iotfile-operator', 'system:serviceaccount:iotfile-system:iotfile-operator-data-plane'])"}]}`
// +kubebuilder:webhook:mutating=false,path=/validate-iotfile-dev-v1alpha1-filestore,name=validate.filestores.iotfile.dev,groups=iotfile.dev,versions=v1alpha1,resources=filestores,verbs=create;update,failurePolicy=fail,sideEffects=None,admissionReviewVersions=v1,timeoutSeconds=5,serviceName=iotfile-operator-webhook,serviceNamespace=iotfile-system,patch=`{"matchConditions":[{"name":"not-the-operator-itself","expression":"!(request.userInfo.username in ['system:serviceaccount:iotfile-system:iotfile-operator', 'system:serviceaccount:iotfile-system:iotfile-operator-data-plane'])"}]}`
package v1alpha1
