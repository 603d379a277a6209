package ui

import (
	"net/http"
)

// enterPath is where links lead to.
const enterPath = "/enter"

// policy is the Content-Security-Policy of the page: its own files and answers, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
	"frame-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// again says how to get in.
const again = "press Enter in the terminal in which the page was started, and open the link that it prints"

// guard lets in what the page itself asks for, of a browser that has followed a link.
//
// A page of another site can have a browser send requests here. It cannot read the answers, but
// for one whose name leads to 127.0.0.1 by now (DNS rebinding): that one has another Host. The
// others have another Origin, or say that they come from elsewhere; and none of them has the
// cookie, which is SameSite=Strict, unless its page is on this machine, too.
func (s *Server) guard() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		origin, site := r.Header.Values("Origin"), r.Header.Get("Sec-Fetch-Site")
		entering := r.URL.Path == enterPath && r.Method == http.MethodGet
		switch {
		case r.Host != s.host:
			refuse(w, http.StatusForbidden, "this is http://"+s.host+", and nothing else")
		case len(origin) > 1 || len(origin) == 1 && origin[0] != "http://"+s.host:
			refuse(w, http.StatusForbidden, "this is for the page of http://"+s.host+" alone")
		case s.stranger(r):
			refuse(w, http.StatusForbidden, "another user of this machine has started this page: start one of your own")
		case entering:
			s.enter(w, r, site)
		case site != "" && site != "same-origin" && site != "none":
			refuse(w, http.StatusForbidden, "this is for the page of http://"+s.host+" alone, and no other page")
		case !s.sessions.known(r):
			turnAway(w, r)
		default:
			s.route(w, r)
		}
	})
}

// enter lets in whoever has a key. Somebody who is in may use a link twice, such as by the button
// that goes back.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, site string) {
	switch {
	case r.Header.Get("Sec-Purpose") != "": // a browser that looks ahead, for nobody
		refuse(w, http.StatusServiceUnavailable, "this link is not opened ahead")
		return
	case s.sessions.use(r.URL.Query().Get("key")):
		s.sessions.admit(w)
	case !s.sessions.known(r):
		turnAway(w, r)
		return
	}
	if site == "cross-site" || site == "same-site" {
		// The link was followed on a page of another site, such as a terminal in a browser: after a
		// redirect the browser would not send a SameSite=Strict cookie. After this it does.
		writePage(w, http.StatusOK, `<meta http-equiv="refresh" content="0; url=/"><a href="/">Go on</a>`)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// turnAway answers who has no cookie: in words for people, unless a script asks.
func turnAway(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Sec-Fetch-Dest") == "empty" {
		refuse(w, http.StatusForbidden, "this link is used or has ended: "+again)
		return
	}
	writePage(w, http.StatusForbidden, "<h1>This needs a new link</h1><p>A link works once, for one browser. For another one, "+again+".</p>")
}

func writePage(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
		`<meta name="color-scheme" content="light dark"><title>iotfile</title>` + body))
}
