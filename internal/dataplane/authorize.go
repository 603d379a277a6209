package dataplane

import (
	"context"
	"errors"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
)

// verbs are what a request may need, any one of which lets it in. Two only where it depends on the
// upload whether the request creates a file or updates one, and the request does not say:
// authorizeUpload has the last word then.
func verbs(op operation, ifMatch *int64) []string {
	switch op {
	case opStart, opPut:
		if ifMatch == nil {
			return []string{identity.VerbCreate}
		}
		return []string{identity.VerbUpdate}
	case opPart, opComplete, opAbort:
		if ifMatch == nil {
			return []string{identity.VerbCreate, identity.VerbUpdate}
		}
		return []string{identity.VerbUpdate}
	case opDelete:
		return []string{identity.VerbDelete}
	case opSearch:
		return []string{identity.VerbList}
	default:
		return []string{identity.VerbGet}
	}
}

// authorize asks for the caller's right to do what the request says, before anything is looked up.
func (s *Server) authorize(ctx context.Context, c *call) error {
	return s.mayAny(ctx, c, verbs(c.route.op, c.ifMatch)...)
}

// authorizeUpload asks for the right to do what the upload does, if the request has not shown it
// yet: whoever may only create files neither feeds nor ends the update of one. That there is an
// upload is no secret from them: they learn as much when they try to create the file. No upload, no
// question.
func (s *Server) authorizeUpload(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) error {
	if u == nil {
		return nil
	}
	verb := identity.VerbCreate
	if u.Spec.IfMatch != nil {
		verb = identity.VerbUpdate
	}
	if verb == c.granted {
		return nil
	}
	return s.mayAny(ctx, c, verb)
}

// mayAny asks for the right to do one of verbs with the files of the request's entity. Who has none
// is told which would do.
func (s *Server) mayAny(ctx context.Context, c *call, verbs ...string) error {
	var err error
	for _, verb := range verbs {
		right := identity.Right{Verb: verb, Resource: identity.ResourceFiles, Namespace: c.file.Namespace, Name: c.file.EntityID}
		if err = s.may(ctx, c, right); !errors.Is(err, identity.ErrForbidden) {
			c.granted = verb
			return err
		}
	}
	names := strings.Join(verbs, " or ")
	return apierror.Forbidden("you may not " + names + " files of this entity: ask for the right to " + names + " files.iotfile.dev in its namespace").Because(err)
}

func (s *Server) may(ctx context.Context, c *call, right identity.Right) error {
	err := s.opts.Authorizer.Authorize(ctx, c.identity, right)
	if err != nil && !errors.Is(err, identity.ErrForbidden) {
		return apierror.Unavailable("your rights cannot be checked now: send the request again", apierror.RetryShort).Because(err)
	}
	return err
}
