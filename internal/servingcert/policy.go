package servingcert

import (
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Keys of the Secret. The first three are those of cert-manager and of TLS Secrets.
const (
	// KeyCertificate and KeyPrivateKey hold what is served.
	KeyCertificate = corev1.TLSCertKey
	KeyPrivateKey  = corev1.TLSPrivateKeyKey
	// KeyTrusted holds what clients must trust: while the authority changes, the old one and the
	// new one.
	KeyTrusted = corev1.ServiceAccountRootCAKey

	keyAuthorityKey  = "ca.key"
	keyNext          = "next-ca.crt"
	keyNextAuthority = "next-ca.key"
)

// Policy says what is issued, and for how long.
type Policy struct {
	// Names are the DNS names and IP addresses that clients reach the server by. At least one.
	Names []string
	// Lifetime is that of a certificate, AuthorityLifetime that of the authority. Either is renewed
	// when a third of it is left. Lifetime is at most a third of AuthorityLifetime.
	Lifetime, AuthorityLifetime time.Duration
	// Overlap is how long clients are told of a new authority before a certificate that it has
	// signed is served: longer than it takes them to hear. At most half of a third of
	// AuthorityLifetime.
	Overlap time.Duration
}

// DefaultPolicy renews certificates after two months and the authority after two years, and gives
// clients an hour to learn of a new one.
func DefaultPolicy(names ...string) Policy {
	const day = 24 * time.Hour
	return Policy{Names: names, Lifetime: 90 * day, AuthorityLifetime: 3 * 365 * day, Overlap: time.Hour}
}

func (p Policy) validate() error {
	switch {
	case len(p.Names) == 0:
		return errors.New("a certificate needs at least one name")
	case p.Lifetime <= 0 || p.Lifetime > p.AuthorityLifetime/3:
		return errors.New("the lifetime of a certificate must be positive, and at most a third of its authority's")
	case p.Overlap <= 0 || p.Overlap > p.AuthorityLifetime/6:
		return errors.New("the overlap of two authorities must be positive, and at most a sixth of an authority's lifetime")
	}
	return nil
}

// Renew says what the Secret's data must be at now: nil if they are good as they are. data is not
// changed. next is when to ask again.
//
// Whatever is served verifies against what clients were last told to trust: a new authority is told
// of first (ca.crt holds both), and signs only when Overlap is over; the old one is trusted until
// it expires. Data that make no sense are replaced at once.
func (p Policy) Renew(data map[string][]byte, now time.Time) (renewed map[string][]byte, next time.Time, err error) {
	if err := p.validate(); err != nil {
		return nil, time.Time{}, err
	}
	s := load(data)
	changed := s.forget(now)
	for _, step := range []func(*state, time.Time) (bool, error){p.prepare, p.promote, p.issue} {
		did, err := step(s, now)
		if err != nil {
			return nil, time.Time{}, err
		}
		changed = changed || did
	}
	if changed {
		if renewed, err = s.store(); err != nil {
			return nil, time.Time{}, err
		}
	}
	return renewed, p.nextLook(s), nil
}

// prepare makes the next authority, and has it trusted, when the present one is missing or has a
// third of its time left.
func (p Policy) prepare(s *state, now time.Time) (bool, error) {
	if s.next != nil || (s.authority != nil && now.Before(p.authorityDue(s))) {
		return false, nil
	}
	next, err := newAuthority(now, p.AuthorityLifetime)
	if err != nil {
		return false, err
	}
	s.next = next
	s.trusted = append(s.trusted, next.cert)
	return true, nil
}

// promote lets the next authority sign: when its clients have had time to hear of it, or when
// nothing that is served could be trusted anyway.
func (p Policy) promote(s *state, now time.Time) (bool, error) {
	if s.next == nil || (now.Before(p.promotionDue(s)) && (s.authority != nil || p.servable(s, now))) {
		return false, nil
	}
	s.authority, s.next = s.next, nil
	return true, nil
}

// issue signs a certificate when there is none from the present authority, or a third of its time
// is left.
func (p Policy) issue(s *state, now time.Time) (bool, error) {
	if s.authority == nil || (p.servable(s, now) && s.leaf.signedBy(s.authority) && now.Before(p.leafDue(s))) {
		return false, nil
	}
	leaf, err := s.authority.sign(p.Names, now, p.Lifetime)
	if err != nil {
		return false, err
	}
	s.leaf = leaf
	return true, nil
}

// servable reports whether clients that trust what they are told to trust accept what is served, by
// the names that they use.
func (p Policy) servable(s *state, now time.Time) bool {
	return s.leaf != nil && s.leaf.valid(now) && s.leaf.hasNames(p.Names) &&
		slices.ContainsFunc(s.trusted, func(c *certificate) bool { return s.leaf.cert.CheckSignatureFrom(c) == nil })
}

// leafDue is when a third of the certificate's own time is left, which is less than Lifetime where
// its authority had not much left.
func (p Policy) leafDue(s *state) time.Time {
	end := s.leaf.cert.NotAfter
	return end.Add(-min(p.Lifetime, end.Sub(s.leaf.cert.NotBefore.Add(backdate))) / 3)
}

func (p Policy) authorityDue(s *state) time.Time {
	return s.authority.cert.NotAfter.Add(-p.AuthorityLifetime / 3)
}

func (p Policy) promotionDue(s *state) time.Time {
	return s.next.cert.NotAfter.Add(-p.AuthorityLifetime + p.Overlap)
}

func (p Policy) nextLook(s *state) time.Time {
	next := p.leafDue(s)
	due := next
	switch {
	case s.next != nil:
		due = p.promotionDue(s)
	case s.authority != nil:
		due = p.authorityDue(s)
	}
	if due.Before(next) {
		next = due
	}
	return next
}
