package forward

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/streaming/pkg/httpstream"
)

// Role is the one that port-forwarding takes, in the operator's namespace.
const Role = "iotfile-port-forward"

// Error is why there is no way to the REST API through the API server.
type Error struct {
	// What was seen, and its Remedy.
	What, Remedy string
	cause        error
}

// Error implements error.
func (e *Error) Error() string { return e.What + ": " + e.Remedy }

// Unwrap gives what the API server has said, or nil.
func (e *Error) Unwrap() error { return e.cause }

// otherwise is what helps whoever cannot port-forward.
const otherwise = "give its address by --server URL, or set IOTFILE_URL"

// missingRight tells of a right that the Role has.
func missingRight(what, namespace string, err error) error {
	return &Error{
		"you may not " + what + " in the namespace " + namespace,
		"have the platform bind the Role " + Role + " of that namespace to you, or " + otherwise, err,
	}
}

// status is what the API server has answered to an upgrade that it refused, nil where something
// else has answered, or nobody.
func status(err error) *apierrors.StatusError {
	var refused *httpstream.UpgradeFailureError
	if errors.As(err, &refused) {
		err = refused.Cause
	}
	var answer *apierrors.StatusError
	errors.As(err, &answer)
	return answer
}

// refusal says what to do about the answer of an API server that does so for every pod. Others are
// nil.
func refusal(namespace string, answer *apierrors.StatusError) error {
	switch {
	case apierrors.IsForbidden(answer):
		return missingRight("port-forward", namespace, answer)
	case apierrors.IsUnauthorized(answer):
		return &Error{"the API server does not know you", "check your kubeconfig: kubectl auth whoami has to answer", answer}
	}
	return nil
}

// noUpgrade tells of a way to the API server on which neither protocol gets through.
func noUpgrade(webSocket, spdy error) error {
	err := errors.Join(webSocket, spdy)
	return &Error{
		"no connection to a pod is opened, neither by WebSocket nor by SPDY, by the API server or a proxy before it: " + oneLine(err.Error()),
		"kubectl port-forward has to work, or " + otherwise, err,
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
