package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func TestTerminal(t *testing.T) {
	for _, tc := range []struct {
		err                 error
		terminal, retryable bool
	}{
		{nil, false, false},
		{context.Canceled, false, true},
		{filestore.ErrNoSuchUpload, true, false},
		{filestore.ErrSecretKey, true, false},
		{filestore.ErrRejected, true, false},
		{filestore.ErrBusy, false, true},
		{filestore.ErrChecksum, false, true},
		{fmt.Errorf("x: %w", &filestore.Error{Op: "UploadPart", Kind: filestore.ErrIncompleteBody, Cause: io.ErrUnexpectedEOF}), false, true},
		{fmt.Errorf("x: %w", &filestore.Error{Op: "UploadPart", Kind: filestore.ErrInvalidKey, Cause: io.EOF}), true, false},
	} {
		if filestore.Terminal(tc.err) != tc.terminal || filestore.Retryable(tc.err) != tc.retryable {
			t.Errorf("%v: Terminal %v, Retryable %v", tc.err, filestore.Terminal(tc.err), filestore.Retryable(tc.err))
		}
	}
}

func TestErrorWrapsKindAndCause(t *testing.T) {
	err := error(&filestore.Error{Op: "UploadPart", Kind: filestore.ErrIncompleteBody, Cause: io.ErrUnexpectedEOF})
	if !errors.Is(err, filestore.ErrIncompleteBody) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v does not wrap its kind and its cause", err)
	}
}

// TestCredentialsAreHidden: whichever way somebody logs a Config by mistake, no key shows.
func TestCredentialsAreHidden(t *testing.T) {
	c := filestore.Config{Credentials: &filestore.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "hunter2", SessionToken: "tok"}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{c, c.Credentials, *c.Credentials} {
			text := fmt.Sprintf(format, value)
			for _, secret := range []string{"AKIAEXAMPLE", "hunter2", "tok"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %T shows %q", format, value, secret)
				}
			}
		}
	}
}
