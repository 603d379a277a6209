package sharing

// Limit is an amount that several holders share by dynamic thresholds, as switches share their
// buffers (Choudhury and Hahne, 1998): a holder may take more as long as it has less than Alpha
// times of what is free. So n holders that take all they can get have 3/(1+3n) each: one alone
// three quarters, two three sevenths; and something is always free for the next. No holder is known
// in advance, nothing is reserved for those that are silent, and one that has nothing is refused
// only when there is nothing left: the one that has most is refused first. It is not safe for
// concurrent use.
type Limit[K comparable] struct {
	limit, used int64
	held        map[K]int64
}

// NewLimit makes a Limit of that amount.
func NewLimit[K comparable](limit int64) Limit[K] { return Limit[K]{limit: limit, held: map[K]int64{}} }

// Room reports whether the holder may take n more.
func (s *Limit[K]) Room(holder K, n int64) bool {
	free := s.limit - s.used
	return n <= free && s.held[holder] < Alpha*free
}

// Take takes n, or gives -n back. The holders that are remembered are those that have something.
func (s *Limit[K]) Take(holder K, n int64) {
	s.used += n
	if s.held[holder] += n; s.held[holder] == 0 {
		delete(s.held, holder)
	}
}

// Used is how much is held.
func (s *Limit[K]) Used() int64 { return s.used }

// Held is how much the holder has.
func (s *Limit[K]) Held(holder K) int64 { return s.held[holder] }

// Holders is how many have something.
func (s *Limit[K]) Holders() int { return len(s.held) }
