// Package identity tells the data plane who its callers are and what they may do, as the cluster
// sees it: a token is judged by a TokenReview, a client certificate by its CA, a right by a
// SubjectAccessReview on the virtual resource "files" in group iotfile.dev. Nothing is decided
// here.
//
// The protocols are Kubernetes' own (k8s.io/apiserver): which header a token is taken from, how its
// audience is checked, how certificates are verified, what is asked of the API server and when it
// is asked again. The memory in front of them is this package's, because theirs falls short of what
// strangers who share one server need: the cache of tokens has no bound in number and remembers
// none of the refusals that kube-apiserver gives a reason for (which is all of them), and the cache
// of rights coalesces nothing and lets refusals push out grants.
package identity

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
