package multipartupload

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// checkOverlap is how far a term of the leader reaches back: what fell due for comparison in the
// last minutes before it may have been missed, while nobody led.
const checkOverlap = 5 * time.Minute

// checks remembers when uploads were last compared with object storage, and what has to be seen
// twice to be believed. It lives as long as a term of the leader, and begins with what earlier
// leaders can be trusted to have done: else each change of leaders, which looks at all records,
// would ask object storage for the parts of nearly every open upload, and so would every progress
// write of one that is older than upload.CheckInterval. The zero value trusts nobody.
type checks struct {
	mu sync.Mutex
	// trusted is until when comparisons that were due count as done.
	trusted time.Time
	// done holds seconds since 1970: there is one for each open upload that is old enough.
	done map[types.NamespacedName]int64
	// missing are uploads that are to be completed and were seen without all their parts, refused
	// those whose opening or assembly object storage has answered with No, fences those whose end
	// the replicas are being told of; silent are those that object storage says nothing about, slow
	// those whose abort it does not answer in time.
	missing, refused, fences, silent, slow sightings
}

// begin starts a term.
func (c *checks) begin(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trusted = now.Add(-checkOverlap)
}

// last is until when the upload counts as compared, zero if it never was.
func (c *checks) last(name types.NamespacedName) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.done[name]; ok {
		return time.Unix(at, 0)
	}
	return c.trusted
}

// note remembers that the upload was compared. Rounded down: a comparison that falls due in the
// same second is made.
func (c *checks) note(name types.NamespacedName, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = map[types.NamespacedName]int64{}
	}
	c.done[name] = now.Unix()
}

// unconfirmed reports whether it is too early to believe that the upload lacks parts, if it does
// (upload.MissingPartsDelay).
func (c *checks) unconfirmed(u *v1alpha1.MultipartUpload, missing bool, now time.Time) bool {
	if !missing {
		c.missing.forget(client.ObjectKeyFromObject(u))
		return false
	}
	since, _ := c.missing.note(u, now)
	return now.Sub(since) < upload.MissingPartsDelay
}

// Pauses after what object storage has refused: they double from the first to the last.
const (
	firstRefusalPause = 5 * time.Second
	lastRefusalPause  = 5 * time.Minute
)

// refusal is what is known of an opening or assembly that object storage has just refused.
func (c *checks) refusal(u *v1alpha1.MultipartUpload, status int, now time.Time) *upload.Refused {
	since, times := c.refused.note(u, now)
	pause := min(lastRefusalPause, firstRefusalPause<<min(times-1, 6)) // past 6 it would be longer than the last
	return &upload.Refused{Answer: fmt.Sprintf("HTTP %d", status), For: now.Sub(since), Pause: pause}
}

// forget drops what was remembered of an upload that has ended.
func (c *checks) forget(name types.NamespacedName) {
	c.mu.Lock()
	delete(c.done, name)
	c.mu.Unlock()
	for _, s := range []*sightings{&c.missing, &c.refused, &c.fences, &c.silent, &c.slow} {
		s.forget(name)
	}
}
