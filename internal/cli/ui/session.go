package ui

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"sync"
)

// maxKeys is how many links wait for their use. A new one ends the oldest.
const maxKeys = 16

// sessions say who is let in: whoever has a key gets the cookie for it, once, and whoever has the
// cookie is let in until the server ends. Both are 256 random bits.
type sessions struct {
	name, value string // of the cookie

	mu   sync.Mutex
	keys []string // unused ones, the oldest first
}

// newSessions makes sessions whose cookie has a name. It holds the port, because browsers send a
// cookie to every port of a host: two servers would take each other's away.
func newSessions(name string) *sessions { return &sessions{name: name, value: secret()} }

func secret() string {
	bits := make([]byte, 32)
	_, _ = rand.Read(bits) // which never fails
	return base64.RawURLEncoding.EncodeToString(bits)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (s *sessions) newKey() string {
	key := secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys = append(s.keys, key); len(s.keys) > maxKeys {
		s.keys = s.keys[1:]
	}
	return key
}

// use reports whether a key is good, which it then is no longer.
func (s *sessions) use(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := -1
	for i, known := range s.keys {
		if same(key, known) {
			found = i
		}
	}
	if found < 0 {
		return false
	}
	s.keys = append(s.keys[:found], s.keys[found+1:]...)
	return true
}

// known reports whether a request has the cookie. A server on another port may have set one of the
// same name beside it.
func (s *sessions) known(r *http.Request) bool {
	for _, cookie := range r.CookiesNamed(s.name) {
		if same(cookie.Value, s.value) {
			return true
		}
	}
	return false
}

// admit gives the cookie. It has no time: it ends with the browser, and is of no use after the
// server.
func (s *sessions) admit(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // not Secure: there is no TLS on loopback
		Name: s.name, Value: s.value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}
