package connection

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// probeTimeout is how long one question may take: the server waits up to ten seconds for a place,
// and a slow network has to carry a part.
const probeTimeout = 2 * time.Minute

// Verbs are what a right on files can be for, in the order of the documentation.
var Verbs = []string{"get", "list", "create", "update", "delete"}

// Allowed asks the REST API whether the caller has the right to do verb with the files of an
// entity. It sends what the API refuses in any case, with another status where the right is
// missing: nothing is read, made or deleted. The error is ErrToken where the token is refused.
func (c *Connection) Allowed(ctx context.Context, entity, verb string) (bool, error) {
	// A path that nobody has a file at, nor an upload.
	file := "/files/" + entity + "/.iotfile-whoami/" + rand.Text()
	var answer *Answer
	var err error
	switch verb {
	case "get":
		answer, err = c.Ask(ctx, http.MethodHead, file, nil, nil, 0)
	case "list":
		answer, err = c.Ask(ctx, http.MethodGet, "/files/"+entity+"?limit=1", nil, nil, 0)
	case "create": // a start takes no body
		answer, err = c.Ask(ctx, http.MethodPut, file+"?upload=start", nil, strings.NewReader("x"), 1)
	case "update": // there is nothing to abort
		answer, err = c.Ask(ctx, http.MethodPut, file+"?upload=abort", http.Header{"If-Match": {"0"}}, nil, 0)
	case "delete":
		answer, err = c.Ask(ctx, http.MethodDelete, file, nil, nil, 0)
	default:
		return false, fmt.Errorf("there is no verb %s", verb)
	}
	switch {
	case err != nil:
		return false, err
	case answer.Status == http.StatusForbidden:
		return false, nil
	case answer.Status == http.StatusUnauthorized:
		return false, ErrToken
	case answer.Status >= http.StatusInternalServerError || answer.Status == http.StatusTooManyRequests:
		return false, fmt.Errorf("%s answers %d", answer.By(), answer.Status)
	}
	return true, nil
}

// ErrToken is that of a token which the REST API does not take.
var ErrToken = errors.New("the token is refused (401): it is for another audience, has ended, or is of another cluster")

// Answer is one of whoever has answered.
type Answer struct {
	Status int
	Header http.Header
	// Body is the beginning of the body.
	Body []byte
}

// Message is what the answer says.
func (a *Answer) Message() string {
	var said struct{ Message string }
	if json.Unmarshal(a.Body, &said) == nil && said.Message != "" {
		return said.Message
	}
	return http.StatusText(a.Status)
}

// Root is the address of the API, of the namespace that is meant, without a slash at its end.
func (c *Connection) Root() string {
	root := strings.TrimSuffix(c.Server, "/")
	if c.Namespace != "" {
		root += "/namespaces/" + url.PathEscape(c.Namespace)
	}
	return root + "/api/iotfile/v3"
}

// Ask sends one request, once, for a path below the root of the API, with a body of length bytes,
// nil for none. The error is why there was no answer.
func (c *Connection) Ask(ctx context.Context, method, path string, header http.Header, body io.Reader, length int64) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.Root()+path, body)
	if err != nil {
		return nil, err
	}
	token, err := c.Token.Token(ctx)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	request.ContentLength = length
	return c.send(request)
}

// Claims are what a token says of itself. Nobody has checked it here.
type Claims struct {
	Subject  string
	Audience []string
	Expires  time.Time
}

// Claims reads the token, which may be of a kind that says nothing.
func (c *Connection) Claims(ctx context.Context) (Claims, error) {
	token, err := c.Token.Token(ctx)
	if err != nil {
		return Claims{}, err
	}
	return claimsOf(token), nil
}

// claimsOf reads the claims of a token, none where it is of another kind.
func claimsOf(token string) Claims {
	var said struct {
		Sub string          `json:"sub"`
		Aud json.RawMessage `json:"aud"`
		Exp int64           `json:"exp"`
	}
	segments := strings.Split(strings.TrimSpace(token), ".")
	if len(segments) != 3 {
		return Claims{}
	}
	if data, err := base64.RawURLEncoding.DecodeString(segments[1]); err != nil || json.Unmarshal(data, &said) != nil {
		return Claims{}
	}
	claims := Claims{Subject: said.Sub}
	if json.Unmarshal(said.Aud, &claims.Audience) != nil {
		var one string
		if json.Unmarshal(said.Aud, &one) == nil {
			claims.Audience = []string{one}
		}
	}
	if said.Exp > 0 {
		claims.Expires = time.Unix(said.Exp, 0)
	}
	return claims
}

// Document asks for the description of the API, which everybody gets, without a token.
func (c *Connection) Document(ctx context.Context) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.Server, "/")+"/openapi.yaml", nil)
	if err != nil {
		return nil, err
	}
	return c.send(request)
}
