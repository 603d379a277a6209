package filestore

import (
	"errors"
	"fmt"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// The errors of every Store. They are matched with errors.Is; the text of a wrapped one may name
// what the backend said, and is for logs, not for clients.
var (
	// ErrNoSuchUpload: the backend does not know the upload (any more). Terminal.
	ErrNoSuchUpload = errors.New("object storage does not know the upload")
	// ErrNotFound: there is no object of that key. Terminal.
	ErrNotFound = errors.New("object not found")
	// ErrPrecondition: the object is not in the state that was demanded. Terminal.
	ErrPrecondition = errors.New("the object is not in the demanded state")
	// ErrInvalidParts: the backend refuses to assemble these parts. Terminal, unless they have been
	// replaced since they were listed.
	ErrInvalidParts = errors.New("object storage refuses these parts")
	// ErrPartSize: the backend refuses a part of this size. Terminal.
	ErrPartSize = errors.New("object storage refuses a part of this size")
	// ErrIncompleteBody: the body ended or failed before all of its bytes had been read; nothing
	// was stored. Retryable by whoever has the bytes.
	ErrIncompleteBody = errors.New("the body ended early")
	// ErrChecksum: the backend received other bytes than were sent; nothing was stored. Retryable
	// by whoever has the bytes.
	ErrChecksum = errors.New("the bytes were damaged on the way to object storage")
	// ErrRange: the range lies outside the object. Terminal.
	ErrRange = errors.New("the range lies outside the object")
	// ErrInvalidKey: the backend cannot store an object of this key, such as one below a key that
	// is itself an object. Terminal.
	ErrInvalidKey = errors.New("object storage cannot store this key")
	// ErrBucketNotFound: the endpoint answers, but has no such bucket. Terminal until somebody
	// acts.
	ErrBucketNotFound = errors.New("bucket not found")
	// ErrAccessDenied: the backend refuses the credentials, or what they may do. Terminal until
	// somebody acts.
	ErrAccessDenied = errors.New("object storage refuses the credentials")
	// ErrIntegrityUnsupported: the backend has no payload mode that keeps docs/rest-api.md, "Part".
	// Terminal.
	ErrIntegrityUnsupported = errors.New("object storage has no payload mode in which a body that is cut short leaves nothing behind")
	// ErrPartsNotReplaced: the backend does not let a part that is sent again take the place of the
	// one before it, so an upload whose connection broke once could never be completed. Terminal.
	ErrPartsNotReplaced = errors.New("object storage does not replace a part that is sent again")
	// ErrRejected: the backend understood the request and refuses it for a reason that no other
	// error names, such as a header that it does not implement. Terminal.
	ErrRejected = errors.New("object storage rejects the request")
	// ErrInvalidConfig: the Config cannot be used as it is, such as an endpoint that is not a URL.
	// Terminal until somebody acts.
	ErrInvalidConfig = errors.New("the configuration of the store is invalid")
	// ErrStoreNotFound: there is no FileStore of that name. Terminal until somebody acts.
	ErrStoreNotFound = errors.New("FileStore not found")
	// ErrSecretNotFound: the FileStore names a Secret that is not in the operator's namespace.
	// Terminal until somebody acts.
	ErrSecretNotFound = errors.New("Secret not found")
	// ErrSecretKey: the Secret lacks a key, or holds it empty; the text names it. Terminal until
	// somebody acts.
	ErrSecretKey = errors.New("the Secret lacks a key")
	// ErrSecretConsent: the Secret does not name the FileStore among those that may use it.
	// Terminal until somebody acts.
	ErrSecretConsent = errors.New("the Secret does not consent")
	// ErrPrefixOverlap: keys of the FileStore are those of another one, which had them before.
	// Terminal until somebody acts.
	ErrPrefixOverlap = errors.New("another FileStore has these keys")
	// ErrEndpointNotAllowed: the FileStore's endpoint is, or leads to, an address that only the
	// operator can reach, such as one of its own pod or of the API server. Terminal until somebody
	// acts.
	ErrEndpointNotAllowed = errors.New("the endpoint may not be used")
	// ErrBusy: the backend asks to slow down. Retryable.
	ErrBusy = errors.New("object storage is busy")
	// ErrUnavailable: the backend could not be reached, failed, or did not answer in time; the
	// outcome is unknown. Retryable.
	ErrUnavailable = errors.New("object storage is unavailable")
	// ErrSilent: the backend was reached, or not even that, and said nothing for as long as the
	// call waits for a first byte; or it has said nothing lately, and was not asked (Observe). It
	// is an ErrUnavailable. Retryable.
	ErrSilent = fmt.Errorf("%w: it says nothing", ErrUnavailable)
)

// terminal lists the errors after which the same call fails again until somebody acts or asks for
// something else.
var terminal = []error{
	ErrNoSuchUpload, ErrNotFound, ErrPrecondition, ErrInvalidParts, ErrPartSize, ErrRange, ErrInvalidKey,
	ErrBucketNotFound, ErrAccessDenied, ErrIntegrityUnsupported, ErrPartsNotReplaced, ErrRejected,
	ErrInvalidConfig, ErrStoreNotFound, ErrSecretNotFound, ErrSecretKey, ErrSecretConsent, ErrPrefixOverlap,
	ErrEndpointNotAllowed,
}

// Terminal reports whether the same call will fail again until somebody acts or asks for something
// else. It is false for nil, and for an error that is not of this package: a cancelled context,
// say, tells nothing about the backend.
func Terminal(err error) bool {
	for _, t := range terminal {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// Retryable reports whether the same call may succeed later without anybody acting: any error that
// is not Terminal. It is false for nil.
func Retryable(err error) bool { return err != nil && !Terminal(err) }

// Error is an error of this package together with what the backend said. Kind is one of the Err…
// variables.
type Error struct {
	// Op is the S3 operation, such as "UploadPart".
	Op string
	// Kind is the error of this package that it counts as.
	Kind error
	// Cause is what the backend or the transport said. It may name buckets and upload ids: for
	// logs, never for clients.
	Cause error
	// Status is the HTTP status of the backend's answer, 0 if there was none.
	Status int
	// Hint says what is probably wrong with the configuration, for the platform team; empty where
	// nothing is known. It names no credential.
	Hint string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v: %v", e.Op, e.Kind, e.Cause) }

// Unwrap gives errors.Is both the kind and the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Cause} }

// HintOf is what is probably wrong with the configuration, for the platform team; empty where
// nothing is known.
func HintOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// Answered gives the HTTP status with which the backend has said No. ok is false where it has said
// nothing, or asked to come again: the outcome of the call is then not known, or not final.
func Answered(err error) (status int, ok bool) {
	var e *Error
	if !errors.As(err, &e) || e.Status < 400 {
		return 0, false
	}
	switch e.Status {
	case 408, 429, 502, 503, 504: // time-outs, and what proxies and busy backends say
		return e.Status, false
	}
	return e.Status, true
}

// ConfigError says why a FileStore cannot be used as it is configured; somebody has to act.
// NewConfigError makes one.
type ConfigError struct {
	// Kind is ErrStoreNotFound, ErrSecretNotFound, ErrSecretKey, ErrSecretConsent,
	// ErrPrefixOverlap, ErrInvalidConfig or ErrEndpointNotAllowed.
	Kind error
	// Reason is the condition reason of a FileStore that goes with Kind.
	Reason string
	// Message is for the platform team: it may name the Secret and its keys, never their values.
	Message string
}

// NewConfigError makes a ConfigError. The message must not hold a credential.
func NewConfigError(kind error, format string, args ...any) *ConfigError {
	return &ConfigError{Kind: kind, Reason: configReasons[kind], Message: fmt.Sprintf(format, args...)}
}

var configReasons = map[error]string{
	ErrStoreNotFound:      v1alpha1.ReasonStoreNotFound,
	ErrSecretNotFound:     v1alpha1.ReasonSecretNotFound,
	ErrSecretKey:          v1alpha1.ReasonSecretNotFound,
	ErrSecretConsent:      v1alpha1.ReasonSecretWithoutConsent,
	ErrPrefixOverlap:      v1alpha1.ReasonPrefixOverlap,
	ErrInvalidConfig:      v1alpha1.ReasonInvalidConfiguration,
	ErrEndpointNotAllowed: v1alpha1.ReasonEndpointNotAllowed,
}

// Error implements error.
func (e *ConfigError) Error() string { return fmt.Sprintf("%v: %s", e.Kind, e.Message) }

// Unwrap lets errors.Is find the kind.
func (e *ConfigError) Unwrap() error { return e.Kind }
