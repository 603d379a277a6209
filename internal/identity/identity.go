package identity

import "errors"

// Verbs that an Authorizer is asked about.
const (
	VerbGet    = "get"
	VerbCreate = "create"
	VerbUpdate = "update"
	VerbDelete = "delete"
	VerbList   = "list"
)

// Resources of group iotfile.dev that an Authorizer is asked about.
const (
	// ResourceFiles is a virtual resource, whose objects are the files of an entity; the name is
	// the entity's.
	ResourceFiles = "files"
	// ResourceUploads are the records of uploads.
	ResourceUploads = "multipartuploads"
)

// Right is a verb on an object in group iotfile.dev, as RBAC grants it.
type Right struct {
	Verb, Resource, Namespace, Name string
}

var (
	// ErrUnauthenticated means that a request has no valid token.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrForbidden means that the caller may not do what was asked for.
	ErrForbidden = errors.New("forbidden")
)

// Identity is who sent a request.
type Identity struct {
	// Name of the user or service account, as it is recorded in spec.createdBy.
	Name string
	// UID, Groups and Extra are what else the cluster knows of them, for an Authorizer.
	UID    string
	Groups []string
	Extra  map[string][]string
	// Namespace is the tenant where the path names none; empty if the token does not tell.
	Namespace string
}
