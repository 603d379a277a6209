package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	webhooktoken "k8s.io/apiserver/plugin/pkg/authenticator/token/webhook"
	authenticationv1 "k8s.io/client-go/kubernetes/typed/authentication/v1"
)

// tokens judges bearer tokens by TokenReview. It implements authenticator.Token.
type tokens struct {
	review    authenticator.Token
	audiences authenticator.Audiences
	memory    *memory[*authenticator.Response]
}

func newTokens(o *Options, client authenticationv1.AuthenticationV1Interface, m *memory[*authenticator.Response]) (*tokens, error) {
	// No audiences of its own: a token that the cluster checked no audience of was not meant for
	// us.
	review, err := webhooktoken.NewFromInterface(client, nil, o.backoff(), o.Timeout, webhooktoken.AuthenticatorMetrics{
		RecordRequestTotal:   noteAnswer,
		RecordRequestLatency: func(context.Context, string, float64) {},
	})
	if err != nil {
		return nil, fmt.Errorf("token reviews: %w", err)
	}
	return &tokens{review: review, audiences: o.Audiences, memory: m}, nil
}

// AuthenticateToken implements authenticator.Token. Its error is a *refusal for a token that is not
// valid, and errNoReview if that cannot be told.
func (t *tokens) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	digest := sha256.Sum256([]byte(token)) // no token stays in memory
	v, err := t.memory.ask(ctx, string(digest[:]), func(ctx context.Context) (verdict[*authenticator.Response], error) {
		return t.ask(ctx, token)
	})
	switch {
	case err != nil:
		return nil, false, err
	case !v.granted:
		return nil, false, &refusal{v.reason}
	}
	return v.value, true, nil
}

func (t *tokens) ask(ctx context.Context, token string) (verdict[*authenticator.Response], error) {
	status := ""
	ctx = context.WithValue(authenticator.WithAudiences(ctx, t.audiences), answerKey{}, &status)
	response, ok, err := t.review.AuthenticateToken(ctx, token)
	answered := strings.HasPrefix(status, "2")
	switch {
	case ok && err == nil:
		return verdict[*authenticator.Response]{value: response, granted: true}, nil
	case answered:
		return verdict[*authenticator.Response]{reason: t.reason(err)}, nil
	case err == nil:
		err = errors.New("no error is told")
	}
	return verdict[*authenticator.Response]{}, err
}

// reason is why a token was refused.
func (t *tokens) reason(told error) string {
	if told != nil {
		return told.Error()
	}
	return "it is not for the audience " + strings.Join(t.audiences, " or ")
}

// answerKey is the key of a context's *string for the HTTP status that a review was answered with.
// The authenticator returns one and the same kind of error for "this token is not valid" and "the
// API server is down"; that it reports its requests, to be counted, tells them apart.
type answerKey struct{}

func noteAnswer(ctx context.Context, status string) {
	if answer, ok := ctx.Value(answerKey{}).(*string); ok {
		*answer = status
	}
}

// refusal is why a token is not valid, for the log.
type refusal struct{ reason string }

// Error implements error.
func (r *refusal) Error() string { return "the token is refused: " + r.reason }
