package cli

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gateways has TestGateways run, which takes a quarter of an hour and 3 GiB of disk.
var gateways = flag.Bool("gateways", false, "TestGateways sends 1 GiB, and a part in two minutes, through nginx and HAProxy")

// What TestGateways has in its table: for what goes through, and for a body that is announced and
// will be refused.
const (
	arrives     = "arrives"
	asksEarly   = "says continue before it knows"
	refusesHead = "refused before the body"
)

// gateway is one way to the REST API, and what has to come of each attempt. What is not named has
// to arrive.
type gateway struct {
	name, address string // address is that of a TLS server
	wants         map[string]string
}

// TestGateways makes the table of docs/gateways.md: what comes of large, slow and strange requests
// over TLS, through nginx and HAProxy by their defaults, and through the two files of the
// documentation.
func TestGateways(t *testing.T) {
	if !*gateways {
		t.Skip("part of make nightly: go test ./internal/cli -run '^TestGateways$' -args -gateways")
	}
	c := newShell(t)
	upstream := strings.TrimPrefix(c.URL, "http://")
	cert, key, both := c.selfSigned(t)
	ways := []gateway{
		{
			"nginx as it comes", nginx.start(t, fmt.Sprintf("server { listen LISTEN ssl; ssl_certificate %s; ssl_certificate_key %s;\nlocation / { proxy_pass %s; } }", cert, key, c.URL)),
			map[string]string{"1 GiB": "413", "slow": "413", "expect": asksEarly, "chunked": "413"},
		},
		{"nginx, the file", nginx.start(t, c.nginxRecipe(t, cert, key)), map[string]string{"expect": asksEarly}},
		{
			"HAProxy as Debian has it", haproxy.start(t, strings.ReplaceAll(haproxyWith(haproxyDefaults, "", upstream), "bind LISTEN", "bind LISTEN ssl crt "+both)),
			map[string]string{"slow": "504"},
		},
		{"HAProxy, the file", haproxy.start(t, c.haproxyRecipe(t, both, upstream)), nil},
	}
	large := filepath.Join(c.dir, "large.bin")
	check(t, writeRandom(large, 1<<30))
	attempts := []struct {
		name string
		try  func(t *testing.T, g gateway) string
	}{
		{"1 GiB", func(t *testing.T, g gateway) string { return c.sendsLarge(t, g, cert, large) }},
		{"slow", c.sendsSlowly(cert)},
		{"expect", c.expects(cert)},
		{"paths", c.sendsPaths(cert)},
		{"chunked", c.sendsChunked(cert)},
	}
	table := "| gateway | 1 GiB | a part of 6 MiB in two minutes, with a pause of 55 s | `Expect: 100-continue` of what is refused | `%2F`, `%25` in a path | a chunked body of 2 MiB |\n|---|---|---|---|---|---|\n"
	for _, g := range ways {
		table += "| " + g.name
		for _, attempt := range attempts {
			began := time.Now()
			got := attempt.try(t, g)
			want := arrives
			if other := g.wants[attempt.name]; other != "" {
				want = other
			} else if attempt.name == "expect" {
				want = refusesHead
			}
			if got != want {
				t.Errorf("%s: %s: %s, not %s", g.name, attempt.name, got, want)
			}
			t.Logf("%s: %s: %s after %s", g.name, attempt.name, got, time.Since(began).Round(time.Second))
			table += " | " + got
		}
		table += " |\n"
	}
	t.Log("\n" + table)
}

// nginxRecipe and haproxyRecipe are the files of the documentation, with what stands here in the
// places of the names that they have.
func (c *shellOf) nginxRecipe(t *testing.T, cert, key string) string {
	t.Helper()
	return recipe(t, "nginx.conf", "listen 443 ssl", "listen LISTEN ssl", "/etc/nginx/files.example.com.crt", cert, "/etc/nginx/files.example.com.key", key,
		"https://iotfile.iotfile-system.svc", c.URL, "/etc/nginx/iotfile-ca.crt", cert)
}

func (c *shellOf) haproxyRecipe(t *testing.T, both, upstream string) string {
	t.Helper()
	return recipe(t, "haproxy.cfg", "bind :443", "bind LISTEN", "/etc/haproxy/files.example.com.pem", both, "iotfile.iotfile-system.svc:443 ssl verify required", upstream+" #")
}

// writeRandom makes a file of size bytes.
func writeRandom(path string, size int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	block := random(16 * mib)
	for written := 0; err == nil && written < size; written += len(block) {
		_, err = file.Write(block)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// sendsLarge has the command line send a file, get it back, and compare.
func (c *shellOf) sendsLarge(t *testing.T, g gateway, cert, large string) string {
	t.Helper()
	server := []string{"--server", "https://" + g.address, "--ca-file", cert}
	f := c.newFile("large.bin")
	put, _, told := c.command(t, append(server, "put", "--part-size", "16Mi", large, f.entity+"/"+f.path)...)
	if put.Run() != nil {
		if strings.Contains(told.String(), "413") {
			return "413"
		}
		return "fails: " + told.String()
	}
	back := filepath.Join(c.dir, "back.bin")
	c.run(t, 0, append(server, "get", "--force", f.entity+"/"+f.path, back)...)
	defer func() { _ = os.Remove(back) }()
	if out, err := exec.CommandContext(t.Context(), "cmp", large, back).CombinedOutput(); err != nil {
		return "differs: " + string(out)
	}
	f.must(t, http.StatusNoContent, http.MethodDelete, "", nil, "If-Match", "0")
	return arrives
}

// hopClient trusts the certificate of the hops. It asks for no other protocol than HTTP/1.1.
func hopClient(t *testing.T, cert string) (*http.Client, *tls.Config) {
	t.Helper()
	pem, err := os.ReadFile(cert)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 5 * time.Minute}, config
}

// slowBody gives its bytes in 60 pieces over more than a minute, and pauses for 55 s in the middle.
type slowBody struct {
	rest  []byte
	piece int
	sent  int
}

func (b *slowBody) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	pause := 1100 * time.Millisecond
	if b.sent == 30 {
		pause = 55 * time.Second
	}
	if b.sent > 0 {
		time.Sleep(pause)
	}
	b.sent++
	n := copy(p[:min(len(p), b.piece)], b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// send sends one request for a file through a gateway, and returns what came of it in a word.
func (f *remote) send(t *testing.T, client *http.Client, g gateway, query string, body io.Reader, length int64) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+g.address+"/api/iotfile/v3/files/"+f.entity+"/"+escaped(f.path)+query, body)
	check(t, err)
	request.ContentLength = length
	request.Header.Set("Authorization", "Bearer "+f.Token)
	answer, err := client.Do(request)
	if err != nil {
		return "cut: " + err.Error()
	}
	_ = answer.Body.Close()
	if answer.StatusCode >= 300 {
		return fmt.Sprint(answer.StatusCode)
	}
	return arrives
}

// escaped writes each byte of a path that is no letter, digit or dot as %XX, a slash as well.
func escaped(path string) string {
	var text strings.Builder
	for _, b := range []byte(path) {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.", rune(b)) {
			text.WriteByte(b)
		} else {
			fmt.Fprintf(&text, "%%%02X", b)
		}
	}
	return text.String()
}

// sendsSlowly sends a part in two minutes, with a silence that the REST API takes.
func (c *shellOf) sendsSlowly(cert string) func(t *testing.T, g gateway) string {
	return func(t *testing.T, g gateway) string {
		t.Helper()
		client, _ := hopClient(t, cert)
		f := c.newFile("slow.bin")
		f.must(t, http.StatusCreated, http.MethodPut, "?upload=start", nil)
		content := random(6 * mib)
		got := f.send(t, client, g, "?part=1", &slowBody{rest: content, piece: len(content)/60 + 1}, int64(len(content)))
		if got != arrives {
			return got
		}
		f.must(t, http.StatusCreated, http.MethodPut, "?upload=complete", nil)
		f.checkContent(t, content)
		return arrives
	}
}

// sendsPaths sends a file whose path has %2F and %25 on the wire, and looks by the straight way
// whether it has its name.
func (c *shellOf) sendsPaths(cert string) func(t *testing.T, g gateway) string {
	return c.sendsWhole(cert, "a/b%41 z.bin", 100, 100)
}

// sendsChunked sends a file without saying how long it is.
func (c *shellOf) sendsChunked(cert string) func(t *testing.T, g gateway) string {
	return c.sendsWhole(cert, "chunked.bin", 2*mib, -1)
}

// sendsWhole sends a file of size bytes in one request with a length, -1 for none.
func (c *shellOf) sendsWhole(cert, path string, size int, length int64) func(t *testing.T, g gateway) string {
	return func(t *testing.T, g gateway) string {
		t.Helper()
		client, _ := hopClient(t, cert)
		f := c.newFile(path)
		content := random(size)
		if got := f.send(t, client, g, "", bytes.NewReader(content), length); got != arrives {
			return got
		}
		f.checkContent(t, content)
		return arrives
	}
}

// expects announces a body that the REST API refuses for its token, and looks whether it is asked
// for.
func (c *shellOf) expects(cert string) func(t *testing.T, g gateway) string {
	return func(t *testing.T, g gateway) string {
		t.Helper()
		_, config := hopClient(t, cert)
		conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: timeout}, Config: config}).DialContext(t.Context(), "tcp", g.address)
		check(t, err)
		defer func() { _ = conn.Close() }()
		check(t, conn.SetDeadline(time.Now().Add(timeout)))
		f := c.newFile("expect.bin")
		fmt.Fprintf(conn, "PUT /api/iotfile/v3/files/%s/%s HTTP/1.1\r\nHost: files.example.com\r\nAuthorization: Bearer no\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", f.entity, f.path)
		line, err := bufio.NewReader(conn).ReadString('\n')
		switch {
		case err != nil:
			return "cut: " + err.Error()
		case strings.Contains(line, " 100 "):
			return asksEarly
		case strings.Contains(line, " 401 "):
			return refusesHead
		}
		return strings.TrimSpace(line)
	}
}
