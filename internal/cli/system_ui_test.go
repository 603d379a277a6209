package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// page is a browser at the page of kubectl iotfile ui.
type page struct {
	t              *testing.T
	origin, cookie string
}

func (p *page) ask(method, path string, body []byte) (int, http.Header, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.origin+path, bytes.NewReader(body))
	check(p.t, err)
	request.Header.Set("Origin", p.origin)
	request.Header.Set("Cookie", p.cookie)
	answer, err := http.DefaultTransport.RoundTrip(request)
	check(p.t, err)
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	check(p.t, err)
	return answer.StatusCode, answer.Header, string(data)
}

// enter follows a link.
func (p *page) enter(link string) {
	p.t.Helper()
	var path string
	var ok bool
	if p.origin, path, ok = strings.Cut(link, "/enter"); !ok || !strings.HasPrefix(link, "http://127.0.0.1:") {
		p.t.Fatalf("%q is no link", link)
	}
	status, header, _ := p.ask(http.MethodGet, "/enter"+path, nil)
	set, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	if p.cookie = set; status != http.StatusSeeOther || set == "" {
		p.t.Errorf("the link is answered with %d", status)
	}
}

// program is kubectl iotfile ui, with a browser at its page.
type program struct {
	*page
	cmd   *exec.Cmd
	keys  io.Writer
	lines *bufio.Reader
	told  *bytes.Buffer
}

// openUI runs the program, and enters its page.
func (c *shellOf) openUI(t *testing.T) *program {
	t.Helper()
	cmd, _, told := c.command(t, "ui", "--no-open")
	cmd.Stdout = nil
	keys, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	p := &program{page: &page{t: t}, cmd: cmd, keys: keys, lines: bufio.NewReader(out), told: told}
	p.enter(p.link())
	return p
}

// link is the next one that the program prints.
func (p *program) link() string {
	p.t.Helper()
	line, err := p.lines.ReadString('\n')
	check(p.t, err)
	return strings.TrimSpace(line)
}

// end ends the program by a signal.
func (p *program) end(signal os.Signal) {
	p.t.Helper()
	check(p.t, p.cmd.Process.Signal(signal))
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%v ends the page with %v:\n%s", signal, err, p.told)
	}
}

// TestUI moves a file by the page, with what the other commands find out.
func TestUI(t *testing.T) {
	c := newShell(t)
	p := c.openUI(t)
	_, err := io.WriteString(p.keys, "\n")
	check(t, err)
	p.enter(p.link()) // another one: each works once
	if status, _, body := p.ask(http.MethodGet, "/", nil); status != http.StatusOK || !strings.Contains(body, "<title>iotfile</title>") {
		t.Errorf("the page is %d: %.200s", status, body)
	}
	_, _, body := p.ask(http.MethodGet, "/info", nil)
	says(t, body, `"server":"`+c.URL+`"`, `"caller":"system:serviceaccount:default:sample-app"`, `"tokenFrom":"$IOTFILE_TOKEN"`, `"namespace":"default"`, `"context":"devcluster"`)

	f := c.newFile("a b.txt")
	content := random(1000)
	file := "/namespaces/default/api/iotfile/v3/files/" + f.entity + "/a%20b.txt"
	if status, _, body := p.ask(http.MethodPut, file, content); status != http.StatusCreated {
		t.Errorf("PUT: %d %s", status, body)
	}
	f.checkContent(t, content)
	if status, _, body := p.ask(http.MethodPut, file, content); status != http.StatusConflict || !strings.Contains(body, `"message":"`) {
		t.Errorf("a second PUT: %d %s", status, body)
	}
	status, header, body := p.ask(http.MethodGet, file, nil)
	if status != http.StatusOK || body != string(content) || header.Get("Content-Disposition") != "attachment" || header.Get("ETag") != "0" {
		t.Errorf("GET: %d, %d bytes, %v", status, len(body), header)
	}
	if status, _, _ := p.ask(http.MethodDelete, file, nil); status != http.StatusNoContent {
		t.Errorf("DELETE: %d", status)
	}
	p.end(unix.SIGINT)
	says(t, p.told.String(), "works once", "Enter prints another one")
	if strings.Contains(p.told.String(), c.Token) {
		t.Error("the token is printed")
	}
}

// TestUIAway opens the page where no API is to be had.
func TestUIAway(t *testing.T) {
	c := newShell(t)
	c.write(t, "kubeconfig", []byte(`{"apiVersion":"v1","kind":"Config","current-context":"x","contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}],`+
		`"users":[{"name":"x","user":{}}],"clusters":[{"name":"x","cluster":{"server":"https://127.0.0.1:1"}}]}`))
	c.env = append(without(without(c.env, "KUBECONFIG"), "IOTFILE_URL"), "KUBECONFIG=kubeconfig")
	p := c.openUI(t)
	if status, _, _ := p.ask(http.MethodGet, "/", nil); status != http.StatusOK {
		t.Errorf("the page is %d", status)
	}
	for path, want := range map[string]string{
		"/namespaces": "the Kubernetes API cannot be reached", "/api/iotfile/v3/files/0123456789abcdef0123456789abcdef": "the REST API cannot be reached",
	} {
		status, _, body := p.ask(http.MethodGet, path, nil)
		if status != http.StatusBadGateway || !strings.Contains(body, want) || !strings.Contains(body, "connection refused") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	p.end(unix.SIGTERM)
}

// TestUIForwarded sends parts by the page through the API server, and loses the pods between them.
func TestUIForwarded(t *testing.T) {
	c, in := newForwarded(t, devcluster.OperatorNamespace)
	p := c.openUI(t)
	_, _, body := p.ask(http.MethodGet, "/info", nil)
	says(t, body, `"server":"https://iotfile.iotfile-system.svc"`, `"via":"`, `"caller":"system:serviceaccount:default:sample-app"`)
	f := c.newFile("by the page.bin")
	content := random(2*partSize + 1000)
	file := "/namespaces/default/api/iotfile/v3/files/" + f.entity + "/by%20the%20page.bin"
	send := func(query string, body []byte, want int) {
		t.Helper()
		eventually(t, query, func() error {
			status, _, answer := p.ask(http.MethodPut, file+query, body)
			switch {
			case status == want:
				return nil
			case status < 500: // what the page does not send again
				t.Fatalf("%s: %d %s", query, status, answer)
			}
			return fmt.Errorf("%d %s", status, answer)
		})
	}
	send("?upload=start", nil, http.StatusCreated)
	send("?part=1", content[:partSize], http.StatusCreated)
	pair, authority := servingPair(t, in.namespace)
	in.trust(t, authority)
	in.pod(t, "iotfile-c", secured(t, pair, c.URL))
	in.ready(t, "iotfile-c")
	in.gone(t, "iotfile-a")
	in.gone(t, "iotfile-b")
	send("?part=2", content[partSize:2*partSize], http.StatusCreated)
	send("?upload=complete", content[2*partSize:], http.StatusCreated)
	f.checkContent(t, content)
	if status, _, body := p.ask(http.MethodGet, file, nil); status != http.StatusOK || body != string(content) {
		t.Errorf("GET: %d, %d bytes", status, len(body))
	}
	if in.connections("iotfile-c") == 0 {
		t.Errorf("connections: %v", in.opened)
	}
	p.end(unix.SIGTERM)
}
