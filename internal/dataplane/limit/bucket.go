package limit

import (
	"math"
	"time"
)

// Rate is how much may be had per second, and how much at once. The zero value is no limit.
type Rate struct {
	PerSecond, Burst float64
}

// PerSecond is a rate of which a second's worth may be had at once; 0 is no limit.
func PerSecond(n int64) Rate { return Rate{float64(n), float64(n)} }

// bucket holds what may be had at once. What is taken beyond it is owed by those that come after: a
// body larger than a second's worth would else never pass.
type bucket struct {
	rate  Rate
	level float64 // negative while something is owed
	at    time.Time
}

// adjust fills the bucket up to now. It begins anew, full, when the rate was changed.
func (b *bucket) adjust(rate Rate, now time.Time) {
	if rate != b.rate {
		*b = bucket{rate: rate, level: rate.Burst, at: now}
		return
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.level, b.at = min(b.rate.Burst, b.level+b.rate.PerSecond*passed.Seconds()), now
	}
}

// wait is how long until n may be taken.
func (b *bucket) wait(n float64) time.Duration {
	if missing := min(n, b.rate.Burst) - b.level; b.rate.PerSecond > 0 && missing > 0 {
		return time.Duration(math.Ceil(missing / b.rate.PerSecond * float64(time.Second)))
	}
	return 0
}

func (b *bucket) full(now time.Time) bool {
	return b.rate.PerSecond == 0 || b.level+b.rate.PerSecond*now.Sub(b.at).Seconds() >= b.rate.Burst
}
