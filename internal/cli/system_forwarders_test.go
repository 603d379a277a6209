package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

type findings = map[string][2]string

// TestDoctorBehindNginx has nginx cut what it can cut, by its defaults and by usual mistakes:
// doctor says that it was nginx, and what to set.
func TestDoctorBehindNginx(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := newShell(t)
	upstream := strings.TrimPrefix(c.URL, "http://")
	pass := "proxy_pass " + c.URL + ";"
	const streaming = "proxy_http_version 1.1; proxy_request_buffering off; "
	for name, tt := range map[string]struct {
		server, location string
		wants            findings
		status           int
	}{
		"as it comes": {"", pass, findings{
			"REST API": {"ok", "through a hop (Server: nginx/"}, "body size": {"failure", "a hop in between (Server: nginx/"}, "framing": {"unknown", ""}, "paths": {"unknown", ""},
			"pause": {"unknown", "413"}, "buffering": {"warning", "the hop that is asked here (Server: nginx/"}, "expect": {"warning", "before it knows"},
		}, 1},
		"whole bodies first": {"client_max_body_size 0;", pass, findings{
			"body size": {"ok", ""}, "framing": {"ok", ""}, "paths": {"ok", ""}, "buffering": {"warning", "nginx/"},
		}, 0},
		"a short time": {"client_max_body_size 0; client_body_timeout 1s;", streaming + pass, findings{
			"pause": {"failure", "the hop that is asked here (Server: nginx/"}, "slow body": {"ok", ""}, "body size": {"ok", ""}, "buffering": {"ok", ""},
		}, 1},
		"decoded paths": {"client_max_body_size 0;", streaming + "proxy_pass http://" + upstream + "$uri$is_args$args;", findings{
			"paths": {"failure", `arrives as "a/bA"`}, "body size": {"ok", ""},
		}, 1},
		"nobody behind it": {"", "proxy_pass http://" + nobody + ";", findings{
			"REST API": {"failure", "a hop in between (Server: nginx/"}, "token": {"unknown", ""}, "body size": {"unknown", ""}, "paths": {"unknown", ""}, "version": {"unknown", ""},
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.finds(t, tt.status, tt.wants, "--probe-time", "3s", "--server", "http://"+nginx.start(t, nginxWith(tt.server, tt.location)))
		})
	}
	t.Run("a late answer", func(t *testing.T) { // 504
		slow := testkit.FaultyTCP(t, upstream)
		slow.Add("late", tcpfault.Fault{Kind: tcpfault.Latency, Delay: 3 * time.Second, Towards: tcpfault.Downstream})
		hop := nginx.start(t, nginxWith("", "proxy_read_timeout 1s; proxy_pass http://"+slow.Addr()+";"))
		c.finds(t, 1, findings{"REST API": {"failure", " answers 504 to"}}, "--server", "http://"+hop)
	})
}

// TestDoctorBehindHAProxy is the same of HAProxy, which has no name in its answers, but a page.
func TestDoctorBehindHAProxy(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := newShell(t)
	upstream := strings.TrimPrefix(c.URL, "http://")
	const page = "a hop in between (HAProxy by its error page)"
	short := strings.ReplaceAll(haproxyDefaults, "50000", "1500")
	for name, tt := range map[string]struct {
		conf   string
		wants  findings
		status int
	}{
		"sound": {haproxyWith(haproxyDefaults, "", upstream), findings{
			"body size": {"ok", ""}, "framing": {"ok", ""}, "paths": {"ok", ""}, "pause": {"ok", ""}, "slow body": {"ok", ""}, "buffering": {"ok", ""}, "expect": {"ok", ""},
		}, 0},
		"a short time": {haproxyWith(short, "", upstream), findings{"pause": {"failure", page + " answers 504"}, "slow body": {"ok", ""}, "body size": {"ok", ""}}, 1},
		"a body limit": {haproxyWith(haproxyDefaults, "http-request deny deny_status 413 if { req.hdr_val(content-length) gt 10485760 }", upstream), findings{
			"body size": {"failure", page + " answers 413"}, "framing": {"unknown", ""}, "paths": {"unknown", ""}, "pause": {"ok", ""},
		}, 1},
		"chunks":           {haproxyWith(haproxyDefaults, "http-request del-header content-length", upstream), findings{"framing": {"failure", "without their length"}, "body size": {"ok", ""}}, 1},
		"no %2F":           {haproxyWith(haproxyDefaults, "http-request deny if { path -i -m sub %2f }", upstream), findings{"paths": {"failure", page + " answers 403"}, "body size": {"ok", ""}}, 1},
		"no Expect":        {haproxyWith(haproxyDefaults, "http-request return status 417 if { req.hdr(expect) -m found }", upstream), findings{"expect": {"failure", "417"}, "buffering": {"ok", ""}}, 1},
		"nobody behind it": {haproxyWith(haproxyDefaults, "", nobody), findings{"REST API": {"failure", page + " answers 503"}, "rights": {"unknown", ""}}, 1},
		"no versions":      {haproxyWith(haproxyDefaults, "http-response del-header x-operator-version", upstream), findings{"version": {"unknown", "takes headers away"}}, 0},
		"another version":  {haproxyWith(haproxyDefaults, "http-response set-header x-operator-version 99.1.0", upstream), findings{"version": {"warning", "the operator 99.1.0"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c.finds(t, tt.status, tt.wants, "--probe-time", "3s", "--server", "http://"+haproxy.start(t, tt.conf))
		})
	}
	t.Run("as Debian has it", func(t *testing.T) { // 50 s of silence, which a part may have that the REST API takes
		hop := haproxy.start(t, haproxyWith(haproxyDefaults, "", upstream))
		c.finds(t, 1, findings{"pause": {"failure", page + " answers 50"}, "slow body": {"ok", ""}}, "--probe-time", "55s", "--server", "http://"+hop)
	})
}

// TestDoctorSaysWhichHop: nginx passes on what HAProxy behind it has refused, with its own name in
// the header, and doctor names the one that has refused it.
func TestDoctorSaysWhichHop(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := newShell(t)
	// Of a refused body nginx may see no more than a connection that breaks: that is a 502 of its
	// own.
	behind := haproxy.start(t, haproxyWith(haproxyDefaults, "http-request deny if { path -i -m sub %2f }", strings.TrimPrefix(c.URL, "http://")))
	hop := nginx.start(t, nginxWith("client_max_body_size 0;", "proxy_http_version 1.1; proxy_request_buffering off; proxy_pass http://"+behind+";"))
	c.finds(t, 1, findings{"paths": {"failure", "a hop in between (HAProxy by its error page, behind Server: nginx/"}, "REST API": {"ok", "nginx/"}}, "--probe-time", "0", "--server", "http://"+hop)
}

// TestRecipes: behind the configurations that the documentation has, nothing fails, and a file goes
// and comes back. nginx asks for each body before it knows whether it is wanted.
func TestRecipes(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := newShell(t)
	upstream := strings.TrimPrefix(c.URL, "http://")
	cert, key, both := c.selfSigned(t)
	sound := findings{
		"address": {"ok", "good until"}, "body size": {"ok", ""}, "framing": {"ok", ""}, "paths": {"ok", ""}, "pause": {"ok", "55s"}, "slow body": {"ok", "55s"}, "buffering": {"ok", ""},
	}
	for _, tt := range []struct {
		name, conf string
		kind       forwarderKind
		expect     [2]string
	}{
		{"nginx", c.nginxRecipe(t, cert, key), nginx, [2]string{"warning", "before it knows"}},
		{"haproxy", c.haproxyRecipe(t, both, upstream), haproxy, [2]string{"ok", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := []string{"--server", "https://" + tt.kind.start(t, tt.conf), "--ca-file", cert}
			wants := findings{"expect": tt.expect}
			for name, want := range sound {
				wants[name] = want
			}
			c.finds(t, 0, wants, append(server, "--probe-time", "55s")...)
			f := c.newFile("x%2Fy z.bin")
			content := random(3*partSize + 5)
			c.write(t, tt.name+".bin", content)
			c.run(t, 0, append(server, "put", "--part-size", "8Mi", tt.name+".bin", f.entity+"/"+f.path)...)
			c.run(t, 0, append(server, "get", f.entity+"/"+f.path, tt.name+".back")...)
			c.holds(t, tt.name+".back", content)
		})
	}
}
