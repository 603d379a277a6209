package iotfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// Kinds of errors, for errors.Is. Those of an answer are [*Error], which has the server's message.
var (
	// ErrInvalid: the request cannot be right, such as a path with an empty segment (400, 415).
	ErrInvalid = errors.New("invalid request")
	// ErrUnauthorized: there is no valid token (401).
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden: the caller may not do this (403).
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound: there is no such file, or no upload of it is open (404). Such an error is
	// fs.ErrNotExist as well.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the file is not at the version that was demanded, or was replaced while it was
	// read; or the upload was ended by somebody else (409, 412).
	ErrConflict = errors.New("conflict")
	// ErrBusy: an upload of the file is open that this one cannot go on with. [Client.Abort] ends
	// it, if it was opened by this package under the same account.
	ErrBusy = errors.New("another upload of the file is open")
	// ErrTooLarge: the file or a part is larger than the store allows (413).
	ErrTooLarge = errors.New("too large")
	// ErrUnavailable: the last attempt was answered with 408, 429 or a 5xx, or not at all.
	ErrUnavailable = errors.New("unavailable")
	// ErrChanged: what is sent has changed while it was sent. Nothing was completed.
	ErrChanged = errors.New("the source has changed")
	// ErrChecksum: the bytes at the other end are not those at this one.
	ErrChecksum = errors.New("checksum mismatch")
)

// Error is the end of a request that had no success.
type Error struct {
	// Op is what was asked, such as "start", "part 7" or "read".
	Op string
	// Path is the file's, or the entity of a search.
	Path string
	// Status is that of the last answer, 0 where there was none.
	Status int
	// Message is the server's, and says what is wrong and what to do; "" where there was no answer.
	Message string
	// ID is the answer's, and stands in the server's log; "" where there was none.
	ID string
	// Attempts is how often the request was sent.
	Attempts int
	// Err is why there was no answer, else nil.
	Err error

	kind       error
	retryAfter time.Duration
	// doubt: an earlier attempt may have been carried out.
	doubt bool
}

// Error implements error.
func (e *Error) Error() string {
	text := "iotfile: " + e.Op + " " + e.Path + ": "
	switch {
	case e.Err != nil:
		text += e.Err.Error()
	case e.Message != "":
		text += fmt.Sprintf("%s (%d)", e.Message, e.Status)
	default:
		text += fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	}
	if e.ID != "" {
		text += ", id " + e.ID
	}
	return text
}

// Unwrap gives why there was no answer.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the kind of the error.
func (e *Error) Is(target error) bool {
	return e.kind != nil && (target == e.kind || target == fs.ErrNotExist && e.kind == ErrNotFound)
}

// busyWords begin the messages with which a start is refused because of another upload. They have
// the status of a malformed request, as the API has always had it.
var busyWords = []string{"an upload of this file ", "this Idempotency-Key opened "}

// refusal makes an error of an answer.
func refusal(status int, header http.Header, body []byte) *Error {
	e := &Error{Status: status, ID: header.Get("X-Request-Id"), retryAfter: retryAfter(header.Get("Retry-After"), time.Now())}
	var said struct{ ID, Message string }
	if json.Unmarshal(body, &said) == nil && said.Message != "" {
		e.Message = said.Message
		if said.ID != "" {
			e.ID = said.ID
		}
	} else { // of something in between
		e.Message = strings.ToValidUTF8(strings.TrimSpace(string(body[:min(len(body), 200)])), "")
	}
	e.kind = kindOf(status)
	if status == http.StatusUnauthorized {
		e.retryAfter = max(e.retryAfter, time.Second) // until there is a new token
	}
	for _, words := range busyWords {
		if status == http.StatusBadRequest && strings.HasPrefix(e.Message, words) {
			e.kind = ErrBusy
		}
	}
	return e
}

func kindOf(status int) error {
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusRequestedRangeNotSatisfiable:
		return ErrInvalid
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return ErrNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return ErrConflict
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return ErrUnavailable
	}
	if status >= http.StatusInternalServerError {
		return ErrUnavailable
	}
	return nil
}

// invalid is an error of a kind that needs no server.
func invalid(kind error, path, message string) error {
	return &Error{Op: "check", Path: path, kind: kind, Err: errors.New(message)}
}

// localError is one of this side: of a source, a destination or a token. No attempt helps.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// answeredError is an attempt's own. A context can end because of an *Error of another call, which
// is then what an attempt fails with, and must be left as it is.
type answeredError struct{ answer *Error }

func (e *answeredError) Error() string { return e.answer.Error() }
func (e *answeredError) Unwrap() error { return e.answer }

// canceled reports whether ctx is over.
func canceled(ctx context.Context) bool { return ctx.Err() != nil }
