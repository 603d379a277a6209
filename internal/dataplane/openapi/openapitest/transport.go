package openapitest

import (
	"errors"
	"net/http"
)

// Transport sends requests through base and turns answers that do not fit the document into errors.
func (v *Validator) Transport(base http.RoundTripper) http.RoundTripper {
	return &transport{validator: v, base: base}
}

type transport struct {
	validator *Validator
	base      http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := t.validator.Check(req, res); err != nil {
		return nil, errors.Join(err, res.Body.Close())
	}
	return res, nil
}
