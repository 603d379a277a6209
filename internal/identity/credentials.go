package identity

import (
	"errors"
	"net/http"
	"strings"
)

// errCredentials: what a request says of its sender can be read in more than one way. Proxies and
// libraries read such differently, so nobody is to guess.
var errCredentials = errors.New("the Authorization header must be sent once, as the word Bearer, one blank and the token")

// checkCredentials holds the one rule for bearer tokens: one Authorization header, and in it the
// scheme, one blank, and a token without blanks. Other schemes, and none, are left to whoever asks
// for credentials.
func checkCredentials(h http.Header) error {
	values := h.Values("Authorization")
	if len(values) > 1 {
		return errCredentials
	}
	for _, value := range values {
		scheme, token, _ := strings.Cut(value, " ")
		if strings.EqualFold(scheme, "Bearer") && (token == "" || strings.ContainsAny(token, " \t,")) {
			return errCredentials
		}
	}
	return nil
}
