package doctor

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// Names of what is told of the way.
const (
	checkBody      = "body size"
	checkFraming   = "framing"
	checkBuffering = "buffering"
)

// body sends one part of an upload, which it aborts, to see what becomes of it on its way.
func body(ctx context.Context, e *examination) []Finding {
	if e.server == nil {
		return unknown(noServer, checkBody, checkFraming)
	}
	if !e.rights["create"] {
		return unknown("it takes the right to create files of the entity "+e.Entity, checkBody, checkFraming)
	}
	path := "/files/" + e.Entity + "/.iotfile-doctor/" + rand.Text()
	key := http.Header{"Idempotency-Key": {rand.Text()}}
	started, err := e.server.Ask(ctx, http.MethodPut, path+"?upload=start", key, nil, 0)
	if err == nil && started.Status/100 != 2 {
		err = fmt.Errorf("%s answers %d to the start of an upload: %s", started.By(), started.Status, started.Message())
	}
	if err != nil {
		return unknown(err.Error(), checkBody, checkFraming)
	}
	defer func() { // also after an interrupt: nothing is to be left
		_, _ = e.server.Ask(context.WithoutCancel(ctx), http.MethodPut, path+"?upload=abort", key, nil, 0)
	}()
	answer, err := e.server.Ask(ctx, http.MethodPut, path+"?part=1", nil, io.LimitReader(zeros{}, e.ProbeSize), e.ProbeSize)
	if err != nil {
		return append(one(checkBody, Failure, "a part of "+report.Size(e.ProbeSize)+" got no answer: "+err.Error(),
			"a hop cuts connections that carry large bodies: raise its limits of body size and time, docs/faq.md#ingress-and-gateways"), unknown("no part got through", checkFraming)...)
	}
	return bodyFindings(answer, e.ProbeSize)
}

// bodyFindings reads the answer to a part.
func bodyFindings(answer *connection.Answer, size int64) []Finding {
	detail := fmt.Sprintf("%s answers %d to a part of %s: %s", answer.By(), answer.Status, report.Size(size), oneLine(answer.Message()))
	switch {
	case answer.Status/100 == 2:
		return append(one(checkBody, OK, "a part of "+report.Size(size)+" gets through", ""),
			Finding{checkFraming, OK, "its length arrives with it", ""})
	case !answer.FromAPI():
		return append(one(checkBody, Failure, detail, "raise the limit of that hop on request bodies, and its timeouts: docs/faq.md#ingress-and-gateways"),
			unknown("no part got through", checkFraming)...)
	case answer.Status == http.StatusRequestEntityTooLarge && strings.Contains(answer.Message(), "Content-Length"):
		return append(one(checkBody, OK, "the REST API was reached by a part of "+report.Size(size), ""),
			Finding{checkFraming, Failure, "a hop sends bodies on in chunks, without their length: " + oneLine(answer.Message()), "have it keep Content-Length: docs/faq.md#ingress-and-gateways"})
	}
	return unknown(detail, checkBody, checkFraming)
}

// zeros is a body that nobody has to make.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// bufferingWait is how long a refusal may take that needs no byte of the body.
const bufferingWait = 5 * time.Second

// waiting asks whether a hop holds requests back until their bodies are whole. A part that can only
// be refused is announced, and its body not sent: the REST API refuses it at once, and a hop that
// wants the body first asks for it.
func waiting(ctx context.Context, e *examination) []Finding {
	if e.server == nil {
		return unknown(noServer, checkBuffering)
	}
	if !e.rights["create"] {
		return unknown("it takes the right to create files of the entity "+e.Entity, checkBuffering)
	}
	conn, err := e.server.Dial(ctx)
	if err != nil {
		return unknown(err.Error(), checkBuffering)
	}
	defer func() { _ = conn.Close() }()
	token, err := e.server.Token.Token(ctx)
	if err != nil {
		return unknown(err.Error(), checkBuffering)
	}
	u, err := url.Parse(e.server.Root())
	if err != nil {
		return unknown(err.Error(), checkBuffering)
	}
	_ = conn.SetDeadline(time.Now().Add(bufferingWait))
	_, err = fmt.Fprintf(conn, "PUT %s/files/%s/.iotfile-doctor/%s?part=0 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n",
		u.EscapedPath(), e.Entity, rand.Text(), u.Host, strings.TrimSpace(token))
	if err != nil {
		return unknown(err.Error(), checkBuffering)
	}
	return refusalFinding(bufio.NewReader(conn))
}

const bufferingRemedy = "have that hop pass requests on as they come (nginx: proxy_request_buffering off): docs/faq.md#ingress-and-gateways"

// refusalFinding reads what comes before the body is sent.
func refusalFinding(in *bufio.Reader) []Finding {
	response, err := http.ReadResponse(in, nil)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return one(checkBuffering, Warning, "nothing answers before the body is whole: a hop keeps each part until it has all of it", bufferingRemedy)
	case err != nil:
		return unknown("the connection ended without an answer: "+err.Error(), checkBuffering)
	}
	defer func() { _ = response.Body.Close() }()
	answer := &connection.Answer{Status: response.StatusCode, Header: response.Header}
	switch {
	case response.StatusCode == http.StatusContinue:
		return one(checkBuffering, Warning, "a hop asks for bodies before it knows whether they are wanted, and may keep each part until it has all of it", bufferingRemedy)
	case answer.FromAPI():
		return one(checkBuffering, OK, "what is refused is refused before its body is sent", "")
	}
	return unknown(fmt.Sprintf("%s answers %d", answer.By(), answer.Status), checkBuffering)
}
