package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// Names of what is told of the way.
const (
	checkBody    = "body size"
	checkFraming = "framing"
	checkPaths   = "paths"
)

// The name of the probe as it is sent, and as it has to arrive: %2F is a slash, and what looks like
// an escape once it was decoded is none.
const (
	oddName     = "a%2Fb%2541"
	oddNameThen = "a/b%41"
)

// probe is an upload that sees what becomes of parts on their way. It is aborted at the end.
type probe struct {
	path string // below the root of the API, escaped
	key  http.Header
	odd  bool // its path has the odd name
}

// begin starts the upload of the probe, with an odd name. Where a hop refuses that, it tells so and
// takes a plain one.
func begin(ctx context.Context, e *examination) []Finding {
	if e.noProbe = e.whyNot(); e.noProbe != "" {
		return unknown(e.noProbe, checkPaths)
	}
	answer, err := e.start(ctx, oddName)
	if err == nil && answer.Status/100 == 2 {
		return nil // the answer to the list of its parts will tell
	}
	if plain, again := e.start(ctx, "plain"); again != nil || plain.Status/100 != 2 {
		if again == nil {
			again = fmt.Errorf("%s answers %d to the start of an upload: %s", plain.By(), plain.Status, oneLine(plain.Message()))
		}
		e.noProbe = again.Error()
		return unknown(e.noProbe, checkPaths)
	}
	const remedy = "have that hop pass paths on as they are: docs/faq.md#ingress-and-gateways"
	if err != nil {
		return one(checkPaths, Failure, "a path with %2F got no answer, and another one did: "+err.Error(), remedy)
	}
	return one(checkPaths, Failure, fmt.Sprintf("%s answers %d to a path with %%2F, and not to another one", answer.By(), answer.Status), remedy)
}

// start starts the upload of the probe, which is one more than before.
func (e *examination) start(ctx context.Context, name string) (*connection.Answer, error) {
	p := &probe{path: "/files/" + e.Entity + "/.iotfile-doctor/" + rand.Text() + "/" + name, key: http.Header{"Idempotency-Key": {rand.Text()}}, odd: name == oddName}
	answer, err := e.server.Ask(ctx, http.MethodPut, p.path+"?upload=start", p.key, nil, 0)
	if err == nil && answer.Status/100 == 2 {
		e.probe = p
	}
	return answer, err
}

// end aborts the upload of the probe, also after an interrupt: nothing is to be left.
func (e *examination) end(ctx context.Context) {
	if e.probe != nil {
		_, _ = e.server.Ask(context.WithoutCancel(ctx), http.MethodPut, e.probe.path+"?upload=abort", e.probe.key, nil, 0)
	}
}

// body sends one part of the probe's upload.
func body(ctx context.Context, e *examination) []Finding {
	rest := []string{checkFraming}
	if e.probe != nil && e.probe.odd {
		rest = append(rest, checkPaths)
	}
	if e.probe == nil {
		return unknown(e.noProbe, append([]string{checkBody}, rest...)...)
	}
	sent := &counter{in: io.LimitReader(zeros{}, e.ProbeSize)}
	began := time.Now()
	answer, err := e.server.Ask(ctx, http.MethodPut, e.probe.path+"?part=1", nil, sent, e.ProbeSize)
	if err != nil {
		// A hop that refuses a length and ends the connection at once often takes its answer along:
		// the kernel resets a connection of which bytes were not read.
		refusal, again := e.server.Ask(ctx, http.MethodPut, e.probe.path+"?part=1", http.Header{"Expect": {"100-continue"}}, io.LimitReader(zeros{}, e.ProbeSize), e.ProbeSize)
		if again == nil {
			answer, err = refusal, nil
		}
	}
	if err != nil {
		detail := fmt.Sprintf("a part of %s got no answer: %s; %s were sent in %s", report.Size(e.ProbeSize), err, report.Size(sent.n.Load()), time.Since(began).Round(time.Millisecond))
		return append(one(checkBody, Failure, e.cutBy(detail), "a hop cuts connections that carry large bodies: raise its limits of body size and time, docs/faq.md#ingress-and-gateways"),
			unknown("no part got through", rest...)...)
	}
	out := bodyFindings(answer, e.ProbeSize)
	if len(rest) < 2 {
		return out
	}
	if answer.Status/100 != 2 {
		return append(out, unknown("no part got through", checkPaths)...)
	}
	return append(out, e.arrivedAs(ctx)...)
}

// cutBy adds who is there at the other end of a connection that was cut.
func (e *examination) cutBy(detail string) string {
	if e.hop == "" {
		return detail
	}
	return detail + "; the hop that is asked here (" + e.hop + ") has cut it, or what is behind that"
}

// bodyFindings reads the answer to a part.
func bodyFindings(answer *connection.Answer, size int64) []Finding {
	detail := fmt.Sprintf("%s answers %d to a part of %s: %s", answer.By(), answer.Status, report.Size(size), oneLine(answer.Message()))
	switch {
	case answer.Status/100 == 2:
		return append(one(checkBody, OK, "a part of "+report.Size(size)+" gets through", ""),
			Finding{checkFraming, OK, "its length arrives with it", ""})
	case !answer.FromAPI():
		return append(one(checkBody, Failure, detail, bodyRemedy(answer)), unknown("no part got through", checkFraming)...)
	case answer.Status == http.StatusRequestEntityTooLarge && strings.Contains(answer.Message(), "Content-Length"):
		return append(one(checkBody, OK, "the REST API was reached by a part of "+report.Size(size), ""),
			Finding{checkFraming, Failure, "a hop sends bodies on in chunks, without their length: " + oneLine(answer.Message()), "have it keep Content-Length: docs/faq.md#ingress-and-gateways"})
	}
	return unknown(detail, checkBody, checkFraming)
}

// bodyRemedy names the setting of the hop that has refused a body.
func bodyRemedy(answer *connection.Answer) string {
	const page = ": docs/faq.md#ingress-and-gateways"
	switch {
	case answer.Status == http.StatusRequestEntityTooLarge && answer.Forwarder() == connection.Nginx:
		return "set client_max_body_size 0 there" + page
	case answer.Status == http.StatusRequestEntityTooLarge:
		return "have that hop take bodies of any size" + page
	}
	return "raise the limit of that hop on request bodies, and its timeouts" + page
}

// arrivedAs compares the path of the probe with the one that has arrived, which the list of its
// parts tells.
func (e *examination) arrivedAs(ctx context.Context) []Finding {
	answer, err := e.server.Ask(ctx, http.MethodGet, "/fileslist"+strings.TrimPrefix(e.probe.path, "/files"), nil, nil, 0)
	if err != nil {
		return unknown(err.Error(), checkPaths)
	}
	var parts []struct{ ObjectKey string }
	if answer.Status != http.StatusOK || json.Unmarshal(answer.Body, &parts) != nil || len(parts) == 0 {
		return unknown(fmt.Sprintf("%s answers %d to the list of the probe's parts", answer.By(), answer.Status), checkPaths)
	}
	_, arrived, _ := strings.Cut(parts[0].ObjectKey, "/.iotfile-doctor/")
	_, arrived, _ = strings.Cut(arrived, "/")
	if arrived != oddNameThen {
		return one(checkPaths, Failure, e.cutBy(fmt.Sprintf("a hop changes paths: %q arrives as %q, and not as %q", oddName, arrived, oddNameThen)),
			"have that hop pass paths on as they are (nginx: no path and no variable behind the name in proxy_pass): docs/faq.md#ingress-and-gateways")
	}
	return one(checkPaths, OK, "they arrive as they are sent, also with %2F and %25", "")
}

// zeros is a body that nobody has to make.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// counter counts what is read.
type counter struct {
	in io.Reader
	n  atomic.Int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}
