package dataplane

import (
	"errors"
	"net/http"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
)

// TestHostWithoutAuthentication holds that a web page whose name is made to resolve to a loopback
// address gets nothing: its browser sends that name.
func TestHostWithoutAuthentication(t *testing.T) {
	for host, ok := range map[string]bool{
		"127.0.0.1:8080": true, "127.0.0.1": true, "localhost:8080": true, "[::1]:8080": true, "[::1]": true,
		"evil.example:8080": false, "evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example:80": false, "10.0.0.1:8080": false, "": false,
	} {
		err := checkHost(&Options{Authenticator: NoAuthentication{}}, host)
		var a *apierror.Error
		if ok && err != nil || !ok && (!errors.As(err, &a) || a.Status != http.StatusMisdirectedRequest) {
			t.Errorf("%q: %v", host, err)
		}
		if err := checkHost(&Options{Authenticator: somebody{}}, host); err != nil {
			t.Errorf("%q, with authentication: %v", host, err)
		}
	}
}
