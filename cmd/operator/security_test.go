package main

import (
	"strings"
	"testing"
	"time"
)

func TestSecurityFlags(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*security)
		want   string // part of the error, empty for none
	}{
		"TLS":                      {func(s *security) { s.tlsCertDir = "/tls" }, ""},
		"plain HTTP":               {func(s *security) { s.plainHTTP = true }, ""},
		"neither":                  {func(*security) {}, "--tls-cert-dir is missing"},
		"both":                     {func(s *security) { s.tlsCertDir, s.plainHTTP = "/tls", true }, "cannot stand together"},
		"client CA without TLS":    {func(s *security) { s.clientCAFile, s.plainHTTP = "/ca", true }, "needs --tls-cert-dir"},
		"client CA":                {func(s *security) { s.clientCAFile, s.tlsCertDir = "/ca", "/tls" }, ""},
		"nobody is asked":          {func(s *security) { s.auth, s.plainHTTP = authNone, true }, ""},
		"a word that is no method": {func(s *security) { s.auth, s.plainHTTP = "", true }, "choose kubernetes or none"},
		"no audience":              {func(s *security) { s.audiences, s.plainHTTP = " ,", true }, "name at least one"},
		"no memory":                {func(s *security) { s.grantTTL, s.plainHTTP = 0, true }, "must be positive"},
	} {
		s := security{auth: authKubernetes, audiences: "iotfile.dev, other", grantTTL: time.Minute}
		tt.change(&s)
		err := s.validate(true)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	s := security{auth: authKubernetes, audiences: "iotfile.dev", grantTTL: time.Minute}
	if err := s.validate(false); err != nil {
		t.Errorf("a process that serves nobody: %v", err)
	}
	if _, err := (&security{tlsCertDir: t.TempDir()}).certificate(); err == nil {
		t.Error("a directory without a certificate is taken")
	}
}
