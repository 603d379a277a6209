package dataplane

import (
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/trace"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/precondition"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/transfer"
	"github.com/iotfile-operator/iotfile-operator/internal/digest"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// call is one request on its way through the server.
type call struct {
	// id stands in the answer of an error and in the log line.
	id     string
	method string
	// begun is when the request came, by this machine's clock.
	begun    time.Time
	route    route
	identity identity.Identity
	// granted is the verb that the caller was found to have, see authorize.
	granted string
	file    upload.File
	// location is the path of the file's URL, in its canonical form.
	location string
	// ifMatch is the parsed header, nil if it was not sent.
	ifMatch *int64
	// conditions are the others of a write.
	conditions precondition.Write
	body       *transfer.Inbound
	// until is when the request may wait no longer for a place; zero for requests that do not wait.
	until time.Time
	// digests is what the client announced of the body, nil if nothing.
	digests  *digest.Set
	response *transfer.Response
	log      logr.Logger
	span     trace.Span // nil unless requests are traced
	// err is what was answered, with its cause.
	err error
}

// fail answers with an error.
func (c *call) fail(err error) {
	c.err = err
	if c.response.Begun() {
		return // too late: whoever wrote the header cuts the connection if it must
	}
	apierror.Write(c.response, c.method, c.id, err)
}
