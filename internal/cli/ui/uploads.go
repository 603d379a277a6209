package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// maxPatch is how many bytes a wish may have.
const maxPatch = 4 << 10

// wish is what the page wants to become of an upload: one of DesiredState and TTL, of the record
// with this UID at this version, where they are given.
type wish struct {
	DesiredState    string `json:"desiredState"`
	TTL             string `json:"ttl"`
	UID             string `json:"uid"`
	ResourceVersion string `json:"resourceVersion"`
}

func readWish(w http.ResponseWriter, r *http.Request) (*wish, error) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPatch))
	decoder.DisallowUnknownFields()
	var wanted wish
	if err := decoder.Decode(&wanted); err != nil {
		return nil, fmt.Errorf("the body cannot be read: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the body")
	}
	if (wanted.DesiredState == "") == (wanted.TTL == "") {
		return nil, errors.New("the body has to have one of desiredState and ttl")
	}
	if d := wanted.DesiredState; d != "" && d != completed && d != aborted {
		return nil, fmt.Errorf("desiredState can become %s or %s", completed, aborted)
	}
	if wanted.TTL != "" {
		if d, err := time.ParseDuration(wanted.TTL); err != nil || d <= 0 {
			return nil, errors.New("ttl is no duration, such as 72h0m0s")
		}
	}
	return &wanted, nil
}

// patch is the wish as a merge patch.
func (w *wish) patch() ([]byte, error) {
	spec, metadata := map[string]any{}, map[string]any{}
	if w.DesiredState != "" {
		spec["desiredState"] = w.DesiredState
	} else {
		spec["ttl"] = w.TTL
	}
	if w.UID != "" {
		metadata["uid"] = w.UID
	}
	if w.ResourceVersion != "" {
		metadata["resourceVersion"] = w.ResourceVersion
	}
	return json.Marshal(map[string]any{"metadata": metadata, "spec": spec})
}

// servePatch tells the Kubernetes API what is wanted of an upload, with the rights of the caller.
func (s *Server) servePatch(w http.ResponseWriter, r *http.Request, escaped string) {
	name, ok := segments(escaped, 2)
	if !ok || len(content.IsPathSegmentName(name[0]))+len(content.IsPathSegmentName(name[1])) > 0 {
		refuse(w, http.StatusNotFound, "an upload is /uploads/NAMESPACE/NAME")
		return
	}
	// A form of another page can send no such type.
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "the body has to be application/json")
		return
	}
	wanted, err := readWish(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if s.kube == nil {
		refuse(w, http.StatusBadGateway, s.noKube.Error())
		return
	}
	patch, err := wanted.patch()
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), kubeTimeout)
	defer cancel()
	object, err := s.kube.Resource(uploadsResource).Namespace(name[0]).
		Patch(ctx, name[1], types.MergePatchType, patch, metav1.PatchOptions{})
	switch {
	case err == nil:
		answer(w, http.StatusOK, trim(object))
	case anotherRecord(err):
		refuse(w, http.StatusConflict, "this upload has ended, and another one has its name by now")
	default:
		status, message := kubeProblem(err)
		refuse(w, status, message)
	}
}

// anotherRecord reports whether a patch has failed for its UID, which the API server takes for an
// attempt to change it.
func anotherRecord(err error) bool {
	var known apierrors.APIStatus
	if !errors.As(err, &known) || known.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(known.Status().Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}
