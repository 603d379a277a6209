package apierror

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Error is an error as a client sees it. Handlers return one where no other package has a type for
// what went wrong.
type Error struct {
	// Status is that of the answer.
	Status int
	// Message says what is wrong and what to do. It names nothing that the caller may not know.
	Message string
	// RetryAfter is sent where it is positive, in whole seconds.
	RetryAfter time.Duration
	// Final: the request is not to be tried again, since that does not help, or was done.
	Final bool
	// Header is set beside the others, such as Allow.
	Header map[string]string
	// Cause is for the log.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Because keeps the cause for the log.
func (e *Error) Because(err error) *Error {
	e.Cause = err
	return e
}

// Times after which a client is asked to come again.
const (
	RetrySoon  = time.Second
	RetryShort = 5 * time.Second
	RetryLong  = 30 * time.Second
)

// BadRequest answers 400.
func BadRequest(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Message: message}
}

// Forbidden answers 403.
func Forbidden(message string) *Error {
	return &Error{Status: http.StatusForbidden, Message: message}
}

// NotFound answers 404.
func NotFound(message string) *Error {
	return &Error{Status: http.StatusNotFound, Message: message}
}

// Method answers 405, with the methods that the resource has.
func Method(allow, message string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Message: message, Header: map[string]string{"Allow": allow}}
}

// Conflict answers 409.
func Conflict(message string) *Error {
	return &Error{Status: http.StatusConflict, Message: message}
}

// TooLarge answers 413.
func TooLarge(message string) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Message: message}
}

// UnsupportedMedia answers 415.
func UnsupportedMedia(message string) *Error {
	return &Error{Status: http.StatusUnsupportedMediaType, Message: message}
}

// TooMany answers 429 to what would have to wait longer than it may.
func TooMany(message string, retryAfter time.Duration) *Error {
	return &Error{Status: http.StatusTooManyRequests, Message: message, RetryAfter: retryAfter, Final: true}
}

// Unavailable answers 503.
func Unavailable(message string, retryAfter time.Duration) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Message: message, RetryAfter: retryAfter}
}

// Errors of inbound bodies and of waiting.
var (
	ErrBodyShort    = errors.New("the body ended too early")
	ErrBodyIdle     = errors.New("the client sent no byte for too long")
	ErrBodySlow     = errors.New("the client sends too slowly")
	ErrStoreStalled = fmt.Errorf("object storage neither took nor gave a byte for too long: %w", filestore.ErrSilent)
	ErrTimeout      = errors.New("the time to wait is over")
)

// StalledError means that the reconciler cannot go on with an upload.
type StalledError struct {
	// Reason is that of a condition.
	Reason string
	// Message is for logs: it may name objects of the cluster.
	Message string
}

// Error implements error.
func (e *StalledError) Error() string { return e.Reason + ": " + e.Message }
