package dataplane

import (
	"context"
	"errors"
	"net/http"
)

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
	// ErrUnauthenticated is returned by an Authenticator for a request without a valid token: 401.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrForbidden is returned by an Authorizer for what the caller may not do: 403.
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

// Authenticator finds out who sent a request, by its headers and its connection. It must not touch
// the body. It returns ErrUnauthenticated (wrapped or not) for a missing or bad token; any other
// error is answered with 503.
type Authenticator interface {
	Authenticate(r *http.Request) (Identity, error)
}

// Authorizer reports whether id has a right. It returns ErrForbidden (wrapped or not) for No; any
// other error is answered with 503.
type Authorizer interface {
	Authorize(ctx context.Context, id Identity, right Right) error
}

// NoAuthentication takes everybody for "anonymous" of the namespace "default", and lets them do
// everything. A bearer token is accepted and ignored, so that clients work unchanged. For
// development on loopback addresses.
type NoAuthentication struct{}

// Authenticate implements Authenticator. It never fails.
func (NoAuthentication) Authenticate(*http.Request) (Identity, error) {
	return Identity{Name: "anonymous", Namespace: "default"}, nil
}

// Authorize implements Authorizer. It never refuses.
func (NoAuthentication) Authorize(context.Context, Identity, Right) error {
	return nil
}
