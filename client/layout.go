package iotfile

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
)

const (
	mib = 1 << 20
	// defaultPartSize serves networks of the day: one broken connection costs so much.
	defaultPartSize = 16 * mib
	// wholeMax is the largest file that is sent in one request: what it costs to repeat is bounded.
	wholeMax = 64 * mib
	// defaultConcurrency is how many parts are on their way at once.
	defaultConcurrency = 4
)

// limits are what a store takes.
type limits struct {
	minSize, maxSize int64 // bytes of a part
	maxNumber        int
}

// limitsOf reads the answer to a start.
func limitsOf(h http.Header) limits {
	number := func(name string, fallback int64) int64 {
		n, err := strconv.ParseInt(h.Get(name), 10, 64)
		if err != nil || n < 1 {
			return fallback
		}
		return n
	}
	return limits{number("X-Part-Size-Min", 5*mib), number("X-Part-Size-Max", 5<<30), int(number("X-Part-Number-Max", 1000))}
}

// layout is how a file of known size is cut: into count parts of one size, but for the last.
type layout struct {
	size, part int64
	count      int
}

// piece gives where part number lies, counted from 1.
func (l layout) piece(number int) (offset, size int64) {
	offset = int64(number-1) * l.part
	return offset, min(l.part, l.size-offset)
}

func newLayout(size, part int64) layout {
	return layout{size, part, int((size-1)/part + 1)}
}

// layoutOf cuts a file of size bytes into parts of wish bytes, 0 for the default, or larger ones
// where the store has no place for so many. Parts that are listed already decide, where they can:
// what an earlier run has sent with another wish need not be sent again.
func layoutOf(size int64, l limits, wish int64, listed []Part) (layout, error) {
	part := max(cmp.Or(wish, defaultPartSize), l.minSize)
	if least := (size-1)/int64(l.maxNumber) + 1; part < least {
		part = (least-1)/mib*mib + mib
	}
	part = min(part, l.maxSize)
	out := newLayout(size, part)
	if out.count > l.maxNumber {
		return out, fmt.Errorf("a file of %d bytes does not fit into %d parts of %d bytes", size, l.maxNumber, l.maxSize)
	}
	if len(listed) == 0 || out.fits(listed) {
		return out, nil
	}
	if other := listed[0].Size; other >= l.minSize && other <= l.maxSize {
		if there := newLayout(size, other); there.count <= l.maxNumber && there.fits(listed) {
			return there, nil
		}
	}
	return out, nil
}

// fits reports whether all that is listed is a part of the layout.
func (l layout) fits(listed []Part) bool {
	for _, p := range listed {
		if p.Number > l.count {
			return false
		}
		if _, size := l.piece(p.Number); size != p.Size {
			return false
		}
	}
	return true
}
