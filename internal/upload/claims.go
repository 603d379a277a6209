package upload

import (
	"iter"
	"sync"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// defaultClaimTTL is well above the time limits of what opens an upload.
const defaultClaimTTL = 2 * time.Minute

// Claims are the uploads that one process has let in and that a cache does not show yet. Whoever
// lets an upload in counts them beside those that the cache has, and claims the place in the same
// moment: of many that come at once, no more pass than there are places. The zero value is ready.
type Claims struct {
	// TTL is after how long a claim that nobody has released is forgotten: longer than it takes to
	// open an upload, and than a cache is behind. 0 for two minutes.
	TTL time.Duration

	mu       sync.Mutex
	byTenant map[Tenant]*tenantClaims
}

// Tenant is what limits count for: a namespace in a FileStore.
type Tenant struct{ Namespace, Store string }

// tenantClaims has a lock of its own, so that nobody waits while another tenant's uploads are
// counted.
type tenantClaims struct {
	mu     sync.Mutex
	users  int // guarded by Claims.mu
	byName map[string]claim
}

type claim struct {
	bytes int64
	at    time.Time
}

// Admit claims a place for the upload of that name, which counts with bytes, if judge is content
// with what is held by others. judge gets the claims of others, and runs alone among all of the
// tenant. A claim of the same name is renewed.
func (c *Claims) Admit(of Tenant, name string, bytes int64, now time.Time, judge func(Claimed) error) error {
	t := c.enter(of)
	defer c.leave(of, t)
	t.mu.Lock()
	defer t.mu.Unlock()
	others := t.others(name, now.Add(-c.ttl()))
	if err := judge(others); err != nil {
		return err
	}
	t.byName[name] = claim{bytes: bytes, at: now}
	return nil
}

// Others are the claims of the tenant but for the one of that name, for a look that claims nothing.
func (c *Claims) Others(of Tenant, name string, now time.Time) Claimed {
	t := c.enter(of)
	defer c.leave(of, t)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.others(name, now.Add(-c.ttl()))
}

// Release gives a place back, or leaves it to the cache to tell of the upload. It is idempotent.
func (c *Claims) Release(namespace, name string) {
	for _, of := range c.tenantsIn(namespace) {
		t := c.enter(of)
		t.mu.Lock()
		delete(t.byName, name)
		t.mu.Unlock()
		c.leave(of, t)
	}
}

// tenantsIn are those of the namespace that have claims.
func (c *Claims) tenantsIn(namespace string) []Tenant {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Tenant
	for of := range c.byTenant {
		if of.Namespace == namespace {
			out = append(out, of)
		}
	}
	return out
}

func (c *Claims) ttl() time.Duration {
	if c.TTL > 0 {
		return c.TTL
	}
	return defaultClaimTTL
}

func (c *Claims) enter(of Tenant) *tenantClaims {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byTenant[of]
	if t == nil {
		if c.byTenant == nil {
			c.byTenant = map[Tenant]*tenantClaims{}
		}
		t = &tenantClaims{byName: map[string]claim{}}
		c.byTenant[of] = t
	}
	t.users++
	return t
}

// leave forgets a tenant that has nothing.
func (c *Claims) leave(of Tenant, t *tenantClaims) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.users--; t.users == 0 && len(t.byName) == 0 {
		delete(c.byTenant, of)
	}
}

// others drops what is too old. The caller holds the lock.
func (t *tenantClaims) others(name string, oldest time.Time) Claimed {
	out := Claimed{}
	for other, claim := range t.byName {
		switch {
		case claim.at.Before(oldest):
			delete(t.byName, other)
		case other != name:
			out[other] = claim.bytes
		}
	}
	return out
}

// Claimed is what claims count with, in bytes, by the names of their uploads.
type Claimed map[string]int64

// Beside is what other uploads hold, those that were found and those that are claimed, but for the
// one of that name.
func (c Claimed) Beside(found iter.Seq[*v1alpha1.MultipartUpload], except string) Held {
	var held Held
	seen := map[string]bool{}
	for u := range found {
		if _, claimed := c[u.Name]; claimed {
			seen[u.Name] = true
		}
		if u.Name != except {
			held.Open++
			held.Bytes += IncompleteBytes(u)
		}
	}
	for name, bytes := range c {
		if !seen[name] {
			held.Open++
			held.Bytes += bytes
		}
	}
	return held
}

// Held is what the uploads of a tenant hold: how many are open, and how many bytes they count with.
type Held struct {
	Open  int
	Bytes int64
}

// Full reports whether as many uploads are open as the limits allow.
func (h Held) Full(limits Limits) bool {
	return limits.MaxOpenUploads > 0 && h.Open >= int(limits.MaxOpenUploads)
}

// Counts reports whether the upload takes one of its namespace's places: it is open, or is to be
// opened and does not wait until somebody acts. One that waits could keep the place for ever.
func Counts(u *v1alpha1.MultipartUpload) bool {
	return Open(u) && (u.Status.UploadID != "" || Stalled(u) == nil)
}
