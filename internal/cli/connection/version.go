package connection

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// versionHeader is the header in which the REST API tells callers that it knows which version it
// has.
const versionHeader = "X-Operator-Version"

// OperatorVersion asks the REST API for its version, which takes a good token and no right. It is
// "" where the answer has none. The error is ErrToken where the token is refused.
func (c *Connection) OperatorVersion(ctx context.Context) (string, error) {
	// A file that nobody has, of an entity that need not be there.
	answer, err := c.Ask(ctx, http.MethodHead, "/files/"+strings.Repeat("0", 32)+"/.iotfile-version/"+rand.Text(), nil, nil, 0)
	switch {
	case err != nil:
		return "", err
	case answer.Status == http.StatusUnauthorized:
		return "", ErrToken
	case !answer.FromAPI() || answer.Status >= http.StatusInternalServerError:
		return "", fmt.Errorf("%s answers %d", answer.By(), answer.Status)
	}
	return answer.Header.Get(versionHeader), nil
}

// Skew says what is wrong with an operator of this version for this program, "" for nothing. Within
// a minor version they fit, and beyond that neither was tested with the other.
func Skew(operator string) string { return skew(version.Number(), operator) }

func skew(program, operator string) string {
	if minor(program) == minor(operator) {
		return ""
	}
	return fmt.Sprintf("this program is %s, and the operator %s: they were not tested together; take kubectl-iotfile of the operator's version", program, operator)
}

// minor is a version up to its minor number.
func minor(number string) string {
	parts := strings.SplitN(strings.TrimPrefix(number, "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
