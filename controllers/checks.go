package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// checkOverlap is how far a term of the leader reaches back: what fell due for comparison in the last minutes before it may have been missed, while nobody led.
const checkOverlap = 5 * time.Minute

// checks remembers when uploads were last compared with object storage, and what has to be seen twice to be believed. It lives as long as a term of the leader, and begins with what earlier leaders can be
// trusted to have done: else each change of leaders, which looks at all records, would ask object storage for the parts of nearly every open upload, and so would
// every progress write of one that is older than upload.CheckInterval. The zero value trusts nobody.
type checks struct {
	mu sync.Mutex
	// trusted is until when comparisons that were due count as done.
	trusted time.Time
	// done holds seconds since 1970: there is one for each open upload that is old enough.
	done map[types.NamespacedName]int64
	// lacking says since when uploads that are to be completed have been seen without all their parts.
	lacking map[types.NamespacedName]lack
}

type lack struct {
	uid   types.UID
	since time.Time
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

// note remembers that the upload was compared. Rounded down: a comparison that falls due in the same second is made.
func (c *checks) note(name types.NamespacedName, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = map[types.NamespacedName]int64{}
	}
	c.done[name] = now.Unix()
}

// doubtful says whether it is too early to believe that the upload lacks parts, if it does (upload.LackSettles).
func (c *checks) doubtful(name types.NamespacedName, uid types.UID, lacks bool, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !lacks {
		delete(c.lacking, name)
		return false
	}
	seen, known := c.lacking[name]
	if !known || seen.uid != uid {
		if c.lacking == nil {
			c.lacking = map[types.NamespacedName]lack{}
		}
		seen = lack{uid, now}
		c.lacking[name] = seen
	}
	return now.Sub(seen.since) < upload.LackSettles
}

// forget drops what was remembered of an upload that has ended.
func (c *checks) forget(name types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.done, name)
	delete(c.lacking, name)
}
