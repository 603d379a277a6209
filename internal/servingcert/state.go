package servingcert

import (
	"errors"
	"slices"
	"time"
)

// state is what the Secret's data mean.
type state struct {
	// authority signs; nil if there is none whose key is there.
	authority *keyPair
	// next is to become the authority; nil while no change is under way.
	next *keyPair
	// leaf is what is served; nil if there is nothing.
	leaf *keyPair
	// trusted is what clients are told to trust.
	trusted []*certificate
}

// load reads data. What cannot be read is not there.
func load(data map[string][]byte) *state {
	s := &state{trusted: parseCertificates(data[KeyTrusted])}
	s.leaf, _ = parsePair(data[KeyCertificate], data[KeyPrivateKey])
	s.next, _ = parsePair(data[keyNext], data[keyNextAuthority])
	for _, cert := range s.trusted {
		if pair, err := parsePair(encodeCertificates(cert), data[keyAuthorityKey]); err == nil {
			s.authority = pair
		}
	}
	if s.next != nil && !s.trusts(s.next.cert) {
		s.next = nil // nobody was told of it
	}
	return s
}

func (s *state) trusts(cert *certificate) bool {
	return slices.ContainsFunc(s.trusted, cert.Equal)
}

// forget drops what has expired, and reports whether there was any.
func (s *state) forget(now time.Time) bool {
	before := len(s.trusted)
	s.trusted = slices.DeleteFunc(s.trusted, func(c *certificate) bool { return !now.Before(c.NotAfter) })
	if s.authority != nil && !s.authority.valid(now) {
		s.authority = nil
	}
	if s.next != nil && !s.next.valid(now) {
		s.next = nil
	}
	return len(s.trusted) != before
}

// store writes the state as data of a Secret.
func (s *state) store() (map[string][]byte, error) {
	data := map[string][]byte{KeyTrusted: encodeCertificates(s.trusted...)}
	var errs []error
	key := func(name string, pair *keyPair) {
		encoded, err := pair.encodeKey()
		data[name] = encoded
		errs = append(errs, err)
	}
	if s.leaf != nil {
		data[KeyCertificate] = encodeCertificates(s.leaf.cert)
		key(KeyPrivateKey, s.leaf)
	}
	if s.authority != nil {
		key(keyAuthorityKey, s.authority)
	}
	if s.next != nil {
		data[keyNext] = encodeCertificates(s.next.cert)
		key(keyNextAuthority, s.next)
	}
	return data, errors.Join(errs...)
}
