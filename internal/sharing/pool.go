package sharing

// Alpha is how many times what is free one holder may have: the α of dynamic thresholds.
const Alpha = 3

// Lane is who shares a Pool: a namespace in a FileStore.
type Lane struct{ Store, Namespace string }

// Pool are places that are shared by dynamic thresholds, as switches share their buffers (Choudhury
// and Hahne, 1998), on two levels. A FileStore may hold more as long as it has less than Alpha
// times of what is free: one alone three quarters, two three sevenths each. Of these a namespace
// may hold more as long as it has less than Alpha times of what is left of them. So one store never
// holds them all, nor does one namespace all that its store may have, where there are six places or
// more; and who has nothing is refused last. It is not safe for concurrent use.
type Pool struct {
	limit, used int
	stores      map[string]int
	lanes       map[Lane]int
}

// NewPool makes a Pool of so many places.
func NewPool(limit int) *Pool {
	return &Pool{limit: limit, stores: map[string]int{}, lanes: map[Lane]int{}}
}

// Room reports whether the lane may take one more.
func (p *Pool) Room(l Lane) bool {
	held := p.stores[l.Store]
	free := p.limit - p.used
	left := (Alpha*(free+held)+Alpha)/(Alpha+1) - held // of what the store may hold if the others stay as they are, rounded up
	return free > 0 && left > 0 && p.lanes[l] < Alpha*left
}

// Take takes n places, or gives -n back.
func (p *Pool) Take(l Lane, n int) {
	p.used += n
	if p.stores[l.Store] += n; p.stores[l.Store] == 0 {
		delete(p.stores, l.Store)
	}
	if p.lanes[l] += n; p.lanes[l] == 0 {
		delete(p.lanes, l)
	}
}

// Used is how many places are held.
func (p *Pool) Used() int { return p.used }

// Held is how many places the lane holds.
func (p *Pool) Held(l Lane) int { return p.lanes[l] }

// OfStore is how many places all lanes of a FileStore hold.
func (p *Pool) OfStore(store string) int { return p.stores[store] }
