package connection

import (
	"net/http"
	"strings"
	"testing"
)

func TestSkew(t *testing.T) {
	for _, tt := range []struct {
		program, operator string
		told              bool
	}{
		{"0.1.0", "0.1.0", false},
		{"0.1.0", "0.1.7-5-gabcdef0", false},
		{"0.1.0", "v0.1.2", false},
		{"0.1.0", "0.2.0", true},
		{"1.1.0", "0.1.0", true},
		{"0.1.0", "nonsense", true},
		{"0.1.0", "0.10.0", true},
	} {
		said := skew(tt.program, tt.operator)
		if (said != "") != tt.told || tt.told && !strings.Contains(said, tt.operator) {
			t.Errorf("%s with %s: %q", tt.program, tt.operator, said)
		}
	}
}

func TestBy(t *testing.T) {
	const haproxy = "<html><body><h1>413 Payload Too Large</h1>\n</body></html>\n"
	const nginx = "<html>\r\n<head><title>413</title></head>\r\n<body>\r\n<center><h1>413</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n"
	for want, a := range map[string]Answer{
		"the REST API": {413, http.Header{"X-Request-Id": {"d3681dcb-f5c1-449b-8cc7-6015f19ac906"}, "Server": {"nginx"}}, nil},
		"a hop in between (Server: nginx/1.22.1)":                                   {413, http.Header{"Server": {"nginx/1.22.1"}}, []byte(nginx)},
		"a hop in between (HAProxy by its error page)":                              {413, http.Header{}, []byte(haproxy)},
		"a hop in between (HAProxy by its error page, behind Server: nginx/1.22.1)": {413, http.Header{"Server": {"nginx/1.22.1"}}, []byte(haproxy)},
		"a hop in between (nginx by its error page, behind Via: 1.1 edge)":          {413, http.Header{"Via": {"1.1 edge"}}, []byte(nginx)},
		"a hop in between (Via: 1.1 edge)":                                          {413, http.Header{"Via": {"1.1 edge"}}, nil},
		"a hop in between, which does not say its name,":                            {502, http.Header{"X-Request-Id": {"0123456789abcdef0123456789abcdef"}}, []byte(haproxy)}, // another status than that of the page
	} {
		if got := a.By(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
