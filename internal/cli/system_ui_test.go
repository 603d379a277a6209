package cli

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// TestUI moves a file by the page, with what the other commands find out.
func TestUI(t *testing.T) {
	c := newShell(t)
	cmd, _, told := c.command(t, "ui", "--no-open")
	in, err := cmd.StdinPipe()
	check(t, err)
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	lines := bufio.NewReader(out)
	link := func() string {
		line, err := lines.ReadString('\n')
		check(t, err)
		return strings.TrimSpace(line)
	}
	p := &page{t: t}
	first := link()
	p.enter(first)
	_, err = io.WriteString(in, "\n")
	check(t, err)
	second := link()
	if second == first {
		t.Error("Enter prints the same link")
	}
	p.enter(second)
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
	check(t, cmd.Process.Signal(os.Signal(unix.SIGINT)))
	if err := cmd.Wait(); err != nil {
		t.Errorf("an interrupt ends the page with %v:\n%s", err, told)
	}
	says(t, told.String(), "works once", "Enter prints another one")
	if strings.Contains(told.String(), c.Token) {
		t.Error("the token is printed")
	}
}

// TestUIAway opens the page where no API is to be had.
func TestUIAway(t *testing.T) {
	c := newShell(t)
	c.write(t, "kubeconfig", []byte(`{"apiVersion":"v1","kind":"Config","current-context":"x","contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}],`+
		`"users":[{"name":"x","user":{}}],"clusters":[{"name":"x","cluster":{"server":"https://127.0.0.1:1"}}]}`))
	c.env = append(without(without(c.env, "KUBECONFIG"), "IOTFILE_URL"), "KUBECONFIG=kubeconfig")
	cmd, _, _ := c.command(t, "ui", "--no-open")
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	p := &page{t: t}
	p.enter(strings.TrimSpace(line))
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
	check(t, cmd.Process.Signal(unix.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
