package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/forward"
)

// Names of what is told of the server and the caller.
const (
	checkAddress = "address"
	checkAPI     = "REST API"
	checkClock   = "clock"
	checkCaller  = "token"
	checkRights  = "rights"
)

const (
	noServer = "there is no connection to the REST API"
	// certificateWarning is how long before its end a certificate is told of.
	certificateWarning = 7 * 24 * time.Hour
	// A clock that is wrong by clockWarning confuses people, one by clockFailure makes tokens fail.
	clockWarning, clockFailure = 30 * time.Second, 5 * time.Minute
)

// address connects, and looks at the certificate.
func address(ctx context.Context, e *examination) []Finding {
	c, err := e.Flags.Connect(ctx, nil)
	if err != nil {
		return notConnected(err)
	}
	conn, err := c.Dial(ctx)
	if err != nil {
		return one(checkAddress, Failure, err.Error(), unreachable(err))
	}
	defer func() { _ = conn.Close() }()
	e.server = c
	secured, ok := conn.(*tls.Conn)
	switch {
	case ok:
		return certificate(c.Server+c.Via(), secured.ConnectionState().PeerCertificates[0])
	case c.Via() != "":
		return one(checkAddress, OK, c.Server+c.Via()+", without TLS from the kubelet on", "")
	case c.Guarded():
		return one(checkAddress, OK, c.Server+", on this machine, without TLS", "")
	default:
		return one(checkAddress, Warning, c.Server+" has no TLS: whoever listens has the token", "have the platform serve https://: docs/security.md")
	}
}

// notConnected says what to do where there is no address, no token, or no way.
func notConnected(err error) []Finding {
	var noWay *forward.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &noWay):
		return one(checkAddress, Failure, noWay.What, noWay.Remedy)
	case errors.As(err, &certificate):
		return one(checkAddress, Failure, err.Error(), unreachable(err))
	}
	return one(checkAddress, Failure, err.Error(), "the flags of all commands say where the REST API and the token are: kubectl iotfile doctor --help")
}

// certificate tells of one that is trusted.
func certificate(server string, leaf *x509.Certificate) []Finding {
	left := time.Until(leaf.NotAfter)
	detail := fmt.Sprintf("%s, with a certificate that is good until %s", server, leaf.NotAfter.UTC().Format(time.DateOnly))
	if left < certificateWarning {
		return one(checkAddress, Warning, detail, "have it renewed: docs/install.md")
	}
	return one(checkAddress, OK, detail, "")
}

// unreachable says what to do about a connection that could not be made.
func unreachable(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	var dns *net.DNSError
	var address *url.Error
	var file *fs.PathError
	switch {
	case errors.As(err, &address) && address.Op == "parse":
		return "give the address as https://HOST"
	case errors.As(err, &file):
		return "give --ca-file a file that can be read"
	case errors.As(err, &authority):
		return "give the authority that has signed the certificate by --ca-file; the platform has it as ca.crt"
	case errors.As(err, &host):
		return "use a name that the certificate is for: " + strings.Join(append(host.Certificate.DNSNames, addresses(host.Certificate)...), ", ")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "have the certificate renewed, or set the clock of this machine"
	case errors.As(err, &invalid):
		return "have the platform replace the certificate: docs/security.md"
	case errors.As(err, &plain):
		return "the server does not speak TLS there: try http://"
	case errors.As(err, &dns):
		return "the name does not resolve here: give an address that is for outside of the cluster by --server"
	}
	return "nobody answers there: check --server, and that no firewall is in between"
}

func addresses(c *x509.Certificate) (out []string) {
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

// api asks whether it is the REST API that answers.
func api(ctx context.Context, e *examination) []Finding {
	if e.server == nil {
		return unknown(noServer, checkAPI)
	}
	answer, err := e.server.Document(ctx)
	switch {
	case err != nil:
		return one(checkAPI, Failure, err.Error(), unreachable(err))
	case answer.Status != http.StatusOK || !bytes.Contains(answer.Body, []byte("iotfile")):
		detail := fmt.Sprintf("%s answers %d to GET /openapi.yaml, which the REST API answers for everybody", answer.By(), answer.Status)
		e.server = nil
		return one(checkAPI, Failure, detail, "something else is there, or a gateway that does not pass this path on: check --server")
	}
	e.hop = answer.Hop()
	return one(checkAPI, OK, "answers at "+e.server.Server+e.server.Via()+through(e.hop), "")
}

// through names the hop that has passed an answer on.
func through(hop string) string {
	if hop == "" {
		return ""
	}
	return ", through a hop (" + hop + ")"
}

// clock compares the clocks of this machine and of whoever answers.
func clock(ctx context.Context, e *examination) []Finding {
	if e.server == nil {
		return unknown(noServer, checkClock)
	}
	answer, err := e.server.Document(ctx)
	if err != nil {
		return unknown(err.Error(), checkClock)
	}
	there, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return unknown("the answer has no date", checkClock)
	}
	return clockFinding(time.Since(there))
}

func clockFinding(ahead time.Duration) []Finding {
	detail := fmt.Sprintf("this machine is %s ahead of the server", ahead.Round(time.Second))
	if ahead < 0 {
		detail = fmt.Sprintf("this machine is %s behind the server", (-ahead).Round(time.Second))
	}
	const remedy = "set the clock of this machine, or of the server: tokens and certificates are judged by it"
	switch {
	case ahead.Abs() > clockFailure:
		return one(checkClock, Failure, detail, remedy)
	case ahead.Abs() > clockWarning:
		return one(checkClock, Warning, detail, remedy)
	}
	return one(checkClock, OK, "differs by less than "+clockWarning.String(), "")
}

// caller asks whether the token is taken, and for which verbs.
func caller(ctx context.Context, e *examination) []Finding {
	if e.server == nil {
		return unknown(noServer, checkCaller, checkRights)
	}
	var may, mayNot []string
	for _, verb := range connection.Verbs {
		allowed, err := e.server.Allowed(ctx, e.Entity, verb)
		if errors.Is(err, connection.ErrToken) {
			return append(one(checkCaller, Failure, e.tokenDetail(ctx), "the token has to be for the operator: --as-sa NAME makes such a one; docs/security.md#tokens"),
				unknown("the token is refused", checkRights)...)
		}
		if err != nil {
			return unknown(err.Error(), checkCaller, checkRights)
		}
		e.rights[verb] = allowed
		if allowed {
			may = append(may, verb)
		} else {
			mayNot = append(mayNot, verb)
		}
	}
	out := one(checkCaller, OK, e.tokenDetail(ctx), "")
	const remedy = "have the admin of the namespace bind iotfile-editor or iotfile-viewer to you: docs/security.md#let-a-workload-in"
	switch {
	case len(may) == 0:
		return append(out, Finding{checkRights, Failure, "you may do nothing with files of the entity " + e.Entity, remedy})
	case len(mayNot) > 0:
		return append(out, Finding{checkRights, Warning, "you may " + strings.Join(may, ", ") + ", and not " + strings.Join(mayNot, ", "), remedy})
	}
	return append(out, Finding{checkRights, OK, strings.Join(may, ", "), ""})
}

// tokenDetail says what the token says of itself.
func (e *examination) tokenDetail(ctx context.Context) string {
	detail := "from " + e.server.From
	claims, err := e.server.Claims(ctx)
	if err != nil {
		return detail + ": " + err.Error()
	}
	if claims.Subject != "" {
		detail += ", of " + claims.Subject + ", for " + strings.Join(claims.Audience, ", ")
	}
	if !claims.Expires.IsZero() {
		detail += ", until " + claims.Expires.UTC().Format(time.RFC3339)
	}
	return detail
}
