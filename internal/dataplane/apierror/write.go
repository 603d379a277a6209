package apierror

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Write answers a request with an error. Nothing else writes one to a response. The id stands in
// the log line with the whole cause. The answer to HEAD has no body.
func Write(w http.ResponseWriter, method, id string, err error) {
	e := Describe(err)
	h := w.Header()
	for key, value := range e.Header {
		h[key] = []string{value} // an empty Allow: the resource offers nothing (RFC 9110, 10.2.1)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	body, _ := json.Marshal(struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}{id, e.Message}) // two strings: it cannot fail
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if e.Status == StatusClientGone {
		e.Status = http.StatusBadRequest
	}
	w.WriteHeader(e.Status)
	if method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone; the log line has it
	}
}
