package connection

import (
	"fmt"
	"net/http"
	"strings"
)

// FromAPI reports whether the REST API has answered, and nothing in between: it gives every answer
// an id.
func (a *Answer) FromAPI() bool { return len(a.Header.Get("X-Request-Id")) == 36 }

// By names who has answered.
func (a *Answer) By() string {
	if a.FromAPI() {
		return "the REST API"
	}
	header, page := a.Hop(), a.page()
	switch {
	case page != "" && header != "" && !strings.Contains(strings.ToLower(header), strings.ToLower(page)):
		return "a hop in between (" + page + " by its error page, behind " + header + ")"
	case header != "":
		return "a hop in between (" + header + ")"
	case page != "":
		return "a hop in between (" + page + " by its error page)"
	}
	return "a hop in between, which does not say its name,"
}

// Hop is what the last hop before this machine says of itself, "" where it says nothing. The REST
// API has no such header, so its own answers tell it, too.
func (a *Answer) Hop() string {
	for _, name := range []string{"Server", "Via", "X-Powered-By"} {
		if value := a.Header.Get(name); value != "" {
			return name + ": " + value
		}
	}
	return ""
}

// Forwarders whose error pages are known.
const (
	Nginx   = "nginx"
	HAProxy = "HAProxy"
)

// page names the forwarder that has made the error page. One in front of it passes the page on, and
// puts its own name into the header: the page tells who has refused the request.
func (a *Answer) page() string {
	body := string(a.Body)
	switch {
	case strings.Contains(body, "<hr><center>nginx"):
		return Nginx
	case strings.HasPrefix(body, fmt.Sprintf("<html><body><h1>%d ", a.Status)):
		return HAProxy
	}
	return ""
}

// Forwarder is which of the known forwarders has made the answer, "" for another.
func (a *Answer) Forwarder() string {
	if page := a.page(); page != "" {
		return page
	}
	if a.Status != http.StatusOK && strings.HasPrefix(strings.ToLower(a.Header.Get("Server")), Nginx) {
		return Nginx
	}
	return ""
}
