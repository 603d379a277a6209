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
)

// Names of what is told of answers that need no byte, or not all, of a body.
const (
	checkBuffering = "buffering"
	checkExpect    = "expect"
)

const (
	// refusedSize is the body of a part that can only be refused, which is at the usual limit.
	refusedSize = 1 << 20
	// earlyWait is how long a refusal may take that does not need the whole body.
	earlyWait = 5 * time.Second
)

// announce sends the head of a part that can only be refused, with more lines in it, and so many
// bytes of its body. The REST API refuses it when it has read the head.
func announce(ctx context.Context, e *examination, lines string, bytes int) (net.Conn, *bufio.Reader, error) {
	token, err := e.server.Token.Token(ctx)
	if err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(e.server.Root())
	if err != nil {
		return nil, nil, err
	}
	conn, err := e.server.Dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(earlyWait))
	_, err = fmt.Fprintf(conn, "PUT %s/files/%s/.iotfile-doctor/%s?part=0 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n%s\r\n",
		u.EscapedPath(), e.Entity, rand.Text(), u.Host, strings.TrimSpace(token), refusedSize, lines)
	if err == nil {
		_, err = io.CopyN(conn, zeros{}, int64(bytes))
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, bufio.NewReader(conn), nil
}

// hear reads one answer.
func hear(in *bufio.Reader) (*connection.Answer, error) {
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return connection.ReadAnswer(response), nil
}

// whyNot is why bodies cannot be tried, "" where they can.
func (e *examination) whyNot() string {
	switch {
	case e.server == nil:
		return noServer
	case !e.rights["create"]:
		return "it takes the right to create files of the entity " + e.Entity
	}
	return ""
}

// waiting asks whether a hop holds requests back until their bodies are whole: of a part that is
// refused half of the body is sent. Where nothing answers, the other half is sent to see that it is
// what was waited for.
func waiting(ctx context.Context, e *examination) []Finding {
	if why := e.whyNot(); why != "" {
		return unknown(why, checkBuffering)
	}
	conn, in, err := announce(ctx, e, "", refusedSize/2)
	if err != nil {
		return unknown(err.Error(), checkBuffering)
	}
	defer func() { _ = conn.Close() }()
	answer, err := hear(in)
	switch {
	case err == nil && answer.FromAPI():
		return one(checkBuffering, OK, "what is sent arrives as it comes", "")
	case err == nil:
		return unknown(fmt.Sprintf("%s answers %d", answer.By(), answer.Status), checkBuffering)
	case !timedOut(err):
		return unknown(e.cutBy("the connection ended without an answer: "+err.Error()), checkBuffering)
	}
	_ = conn.SetDeadline(time.Now().Add(earlyWait))
	if _, err = io.CopyN(conn, zeros{}, refusedSize/2); err == nil {
		answer, err = hear(bufio.NewReader(conn))
	}
	if err != nil || !answer.FromAPI() {
		return unknown("the REST API refuses a part neither before its body is whole nor after", checkBuffering)
	}
	return one(checkBuffering, Warning, e.heldBy(), "have that hop pass bodies on as they come (nginx: proxy_request_buffering off): docs/faq.md#ingress-and-gateways")
}

// heldBy says who keeps bodies.
func (e *examination) heldBy() string {
	const what = " keeps each part until it has all of it: that takes longer, and room on a disk"
	if e.hop == "" {
		return "a hop" + what
	}
	return "the hop that is asked here (" + e.hop + "), or one behind it," + what
}

// expecting asks what becomes of `Expect: 100-continue`, which clients send to learn of a refusal
// before they send a body.
func expecting(ctx context.Context, e *examination) []Finding {
	if why := e.whyNot(); why != "" {
		return unknown(why, checkExpect)
	}
	conn, in, err := announce(ctx, e, "Expect: 100-continue\r\n", 0)
	if err != nil {
		return unknown(err.Error(), checkExpect)
	}
	defer func() { _ = conn.Close() }()
	answer, err := hear(in)
	const remedy = "have that hop pass Expect on: docs/faq.md#ingress-and-gateways"
	switch {
	case timedOut(err):
		return one(checkExpect, Warning, "nobody answers to Expect: 100-continue, so that clients wait before each body", remedy)
	case err != nil:
		return unknown(e.cutBy("the connection ended without an answer: "+err.Error()), checkExpect)
	case answer.Status == http.StatusContinue:
		return one(checkExpect, Warning, "a hop asks for bodies before it knows whether they are wanted: what is refused is refused after it was sent",
			"it costs bytes, and breaks nothing; nginx cannot do otherwise")
	case answer.Status == http.StatusExpectationFailed:
		return one(checkExpect, Failure, answer.By()+" refuses Expect: 100-continue (417)", remedy)
	case answer.FromAPI():
		return one(checkExpect, OK, "what is refused is refused before its body is sent", "")
	}
	return unknown(fmt.Sprintf("%s answers %d", answer.By(), answer.Status), checkExpect)
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
