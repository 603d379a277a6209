package ui

import (
	"net/http"
	"strings"
	"testing"
)

// TestLink is used once, by one browser, which may use it again.
func TestLink(t *testing.T) {
	f := serve(t, nil, nil)
	nobody := &browser{fixture: f}
	link := strings.TrimPrefix(f.Link(), "http://"+f.host)
	if len(link) < len("/enter?key=")+43 {
		t.Errorf("%s has less than 256 bits", link)
	}
	nobody.ask(http.MethodGet, link, nil, "Sec-Purpose", "prefetch;prerender").is(t, http.StatusServiceUnavailable)
	nobody.ask(http.MethodHead, link, nil).is(t, http.StatusForbidden)
	first := nobody.ask(http.MethodGet, link, nil)
	first.is(t, http.StatusSeeOther)
	_, port, _ := strings.Cut(f.host, ":")
	set := first.Header.Get("Set-Cookie")
	if !strings.HasPrefix(set, "iotfile-ui-"+port+"=") || !strings.HasSuffix(set, "; Path=/; HttpOnly; SameSite=Strict") {
		t.Errorf("Set-Cookie: %s", set)
	}
	in := &browser{f, first.Cookies()[0].Name + "=" + first.Cookies()[0].Value}
	in.ask(http.MethodGet, "/", nil).is(t, http.StatusOK, "hello")
	in.ask(http.MethodGet, link, nil).is(t, http.StatusSeeOther)
	second := nobody.ask(http.MethodGet, link, nil, "Accept", "text/html")
	second.is(t, http.StatusForbidden, "press Enter in the terminal")
	if len(second.Cookies()) > 0 {
		t.Error("a used link gives a cookie")
	}
	for _, wrong := range []string{"", "?key=", "?key=" + strings.Repeat("A", 43), "?key=" + f.sessions.value} {
		nobody.ask(http.MethodGet, "/enter"+wrong, nil).is(t, http.StatusForbidden)
	}
	// A terminal in a browser is another site: after a redirect the cookie would not be sent.
	for _, site := range []string{"cross-site", "same-site"} {
		far := nobody.ask(http.MethodGet, strings.TrimPrefix(f.Link(), "http://"+f.host), nil, "Sec-Fetch-Site", site)
		far.is(t, http.StatusOK, `http-equiv="refresh" content="0; url=/"`)
		if len(far.Cookies()) != 1 {
			t.Errorf("%s: no cookie", site)
		}
	}
}

// TestManyLinks keeps a number of links that nobody follows.
func TestManyLinks(t *testing.T) {
	f := serve(t, nil, nil)
	nobody := &browser{fixture: f}
	oldest := strings.TrimPrefix(f.Link(), "http://"+f.host)
	second := strings.TrimPrefix(f.Link(), "http://"+f.host)
	for range maxKeys - 1 {
		f.Link()
	}
	nobody.ask(http.MethodGet, oldest, nil).is(t, http.StatusForbidden)
	nobody.ask(http.MethodGet, second, nil).is(t, http.StatusSeeOther)
}

// TestPrompt prints a link for each line, and each is good.
func TestPrompt(t *testing.T) {
	f := serve(t, nil, nil)
	links := make(chan string)
	f.Prompt(strings.NewReader("\n\n"), func(link string) { links <- link })
	for range 2 {
		(&browser{fixture: f}).ask(http.MethodGet, strings.TrimPrefix(<-links, "http://"+f.host), nil).is(t, http.StatusSeeOther)
	}
}

// TestGuard asks everything as somebody who must not get it.
func TestGuard(t *testing.T) {
	asked := 0
	f := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }), nil)
	in := f.browser()
	_, port, _ := strings.Cut(f.host, ":")
	requests := []struct{ method, path string }{
		{http.MethodGet, "/"},
		{http.MethodGet, "/app.js"},
		{http.MethodGet, "/info"},
		{http.MethodGet, "/namespaces"},
		{http.MethodGet, "/events"},
		{http.MethodPatch, "/uploads/a/b"},
		{http.MethodGet, files + "/x"},
		{http.MethodPut, files + "/x"},
		{http.MethodDelete, files + "/x"},
		{http.MethodGet, "/namespaces/a" + files},
		{http.MethodOptions, files},
		{http.MethodGet, "/nothing"},
	}
	for name, header := range map[string][]string{
		"no cookie":                  {"Cookie", ""},
		"another cookie":             {"Cookie", "iotfile-ui-" + port + "=" + secret()},
		"the cookie of another name": {"Cookie", strings.Replace(in.cookie, "iotfile-ui-", "other-", 1)},
		"a rebound name":             {"Host", "evil.example:" + port},
		"localhost":                  {"Host", "localhost:" + port},
		"no port":                    {"Host", "127.0.0.1"},
		"another port's page":        {"Origin", "http://127.0.0.1:1"},
		"localhost's page":           {"Origin", "http://localhost:" + port},
		"TLS":                        {"Origin", "https://" + f.host},
		"a sandboxed page":           {"Origin", "null"},
		"another site":               {"Sec-Fetch-Site", "cross-site"},
		"another port":               {"Sec-Fetch-Site", "same-site"},
	} {
		for _, r := range requests {
			answer := in.ask(r.method, r.path, nil, header...)
			if answer.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s %s is answered with %d", name, r.method, r.path, answer.StatusCode)
			}
		}
		if name == "a rebound name" || name == "another port's page" {
			link := strings.TrimPrefix(f.Link(), "http://"+f.host)
			in.ask(http.MethodGet, link, nil, header...).is(t, http.StatusForbidden)
		}
	}
	if asked > 0 {
		t.Errorf("%d requests have come to the REST API", asked)
	}
	for _, header := range [][]string{nil, {"Origin", "http://" + f.host}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}} {
		in.ask(http.MethodGet, "/info", nil, header...).is(t, http.StatusOK)
	}
	// A server on another port may have set a cookie of the same name.
	in.ask(http.MethodGet, "/info", nil, "Cookie", "iotfile-ui-"+port+"=x; "+in.cookie).is(t, http.StatusOK)
	// A script is told by what it reads of every other answer.
	in.ask(http.MethodGet, "/info", nil, "Cookie", "", "Sec-Fetch-Dest", "empty").is(t, http.StatusForbidden, `{"message":"`, "press Enter in the terminal")
}

// TestStatic serves the files of the page, each with its type, and no others.
func TestStatic(t *testing.T) {
	in := serve(t, nil, nil).browser()
	for path, mediaType := range map[string]string{"/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8"} {
		answer := in.ask(http.MethodGet, path, nil)
		answer.is(t, http.StatusOK)
		for name, want := range map[string]string{
			"Content-Type": mediaType, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": "default-src 'none'; script-src 'self'; " +
				"style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; frame-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		} {
			if got := answer.Header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, not %q", path, name, got, want)
			}
		}
		in.ask(http.MethodGet, path, nil, "If-None-Match", answer.Header.Get("ETag")).is(t, http.StatusNotModified)
	}
	for _, path := range []string{"/page.go", "/nothing", "/app.js/", "//app.js", "/../app.js", "/%2e%2e/app.js", "/enter/"} {
		in.ask(http.MethodGet, path, nil).is(t, http.StatusNotFound, `{"message":`)
	}
	in.ask(http.MethodPost, "/", nil).is(t, http.StatusNotFound)
}
