package ui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// problem is why something is not to be had.
type problem struct {
	Message string `json:"message"`
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, problem{message})
}

// kubeProblem says what an error of the Kubernetes API is: the status, and what to do.
func kubeProblem(err error) (int, string) {
	var known apierrors.APIStatus
	var address *url.Error // which says more than people want to know
	if errors.As(err, &address) {
		err = address.Err
	}
	if !errors.As(err, &known) || known.Status().Code == 0 {
		return http.StatusBadGateway, "the Kubernetes API cannot be reached: " + err.Error() + ". It is asked again; kubectl auth whoami has to answer, too"
	}
	status := int(known.Status().Code)
	switch status {
	case http.StatusUnauthorized:
		return status, "the Kubernetes API does not know you: log in again; kubectl auth whoami has to answer"
	case http.StatusForbidden:
		return status, known.Status().Message + ". The ClusterRoles iotfile-upload-viewer and iotfile-upload-editor, parts of view and edit, have such rights"
	}
	return status, known.Status().Message
}
