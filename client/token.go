package iotfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// TokenSource gives bearer tokens.
type TokenSource interface {
	// Token gives the token of the next attempt. It is called for each one, from several
	// goroutines, and again after a 401. An error ends the call, and must not contain the token.
	Token(ctx context.Context) (string, error)
}

// DefaultTokenFile is where the manifests of docs/apps.md project the token.
const DefaultTokenFile = "/var/run/iotfile/token" //nolint:gosec // a path

// TokenFile is the path of a file with a token. It is read for each attempt, because the kubelet
// replaces it before the token ends.
type TokenFile string

// Token implements [TokenSource].
func (f TokenFile) Token(context.Context) (string, error) {
	data, err := os.ReadFile(string(f))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return checkToken(string(data))
}

// StaticToken is a token that does not change. It prints and logs as a placeholder.
type StaticToken string

// Token implements [TokenSource].
func (t StaticToken) Token(context.Context) (string, error) { return checkToken(string(t)) }

// String implements fmt.Stringer.
func (t StaticToken) String() string { return "[token]" }

// GoString implements fmt.GoStringer.
func (t StaticToken) GoString() string { return t.String() }

// LogValue implements slog.LogValuer.
func (t StaticToken) LogValue() slog.Value { return slog.StringValue(t.String()) }

// checkToken refuses what cannot stand in a header: the error of net/http would quote it.
func checkToken(text string) (string, error) {
	token := strings.TrimSpace(text)
	if token == "" {
		return "", errors.New("the token is empty")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("the token has blanks or characters that are not ASCII")
	}
	return token, nil
}
