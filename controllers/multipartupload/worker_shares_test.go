package multipartupload

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
)

func request(namespace string, i int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprintf("up-%04d", i)}}
}

// queued stands for the queue of a controller.
type queued struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	got []reconcile.Request
}

func (q *queued) Add(req reconcile.Request) { q.got = append(q.got, req) }

// fill enters until there is no place, and gives the places.
func fill(p *workerShares, l sharing.Lane, limit int) (held []*stay) {
	for i := 0; ; i++ {
		s, ok := p.enter(request(l.Namespace, i), l, limit)
		if !ok {
			return held
		}
		held = append(held, s)
	}
}

// A parked pass is queued as soon as there is room for it, the most urgent first, and each once.
func TestParkedPassesGoOn(t *testing.T) {
	p, q := &workerShares{}, &queued{}
	if err := p.feed(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	l := sharing.Lane{Store: "main", Namespace: "loud"}
	held := fill(p, l, 4) // one is parked by that
	for i := range 5 {
		if _, ok := p.enter(request(l.Namespace, 10+i), l, 4); ok {
			t.Fatal("there is a place")
		}
	}
	p.enter(request(l.Namespace, 11), l, 4) // once more, which costs it nothing
	p.enter(request(l.Namespace, 99), l, 4)
	p.forget(request(l.Namespace, 99)) // is gone
	p.rouse()
	if len(q.got) != 0 {
		t.Fatalf("queued without a place: %v", q.got)
	}
	next := func() reconcile.Request {
		t.Helper()
		held[0].leave()
		held = held[1:]
		p.rouse()
		if len(q.got) != 1 {
			t.Fatalf("queued: %v", q.got)
		}
		req := q.got[0]
		q.got = nil
		s, ok := p.enter(req, l, 4)
		if !ok {
			t.Fatal("it finds no place")
		}
		held = append(held, s)
		return req
	}
	var order []string
	for range 6 {
		order = append(order, next().Name)
	}
	want := []string{"up-0003", "up-0010", "up-0011", "up-0012", "up-0013", "up-0014"}
	if !slices.Equal(order, want) {
		t.Errorf("they go on as %v, want %v", order, want)
	}
	for _, s := range held {
		s.leave()
	}
	p.rouse() // nobody waits
	if p.short.Used() != 0 || len(p.lines) != 0 || len(p.in) != 0 || len(q.got) != 0 {
		t.Errorf("something is left: %+v, %v", p, q.got)
	}
}

// A long call gives its place to others, as long as there are not too many.
func TestLongCallsGiveTheirPlace(t *testing.T) {
	p := &workerShares{}
	l := sharing.Lane{Store: "main", Namespace: "loud"}
	var long []*stay
	for {
		held := fill(p, l, 4)
		if len(held) == 0 {
			break
		}
		for _, s := range held {
			s.lengthen()
		}
		long = append(long, held...)
	}
	if p.long.Used() != 5 || p.short.Used() != 3 {
		t.Errorf("%d long calls, and %d places are held; want 5 and 3", p.long.Used(), p.short.Used())
	}
	for _, s := range long {
		s.leave()
		s.lengthen() // too late
	}
	if p.long.Used() != 0 || p.short.Used() != 0 {
		t.Errorf("%d long calls and %d places are held by nobody", p.long.Used(), p.short.Used())
	}
}

// A hundred thousand that wait, as after a change of leaders, cost no more each than a few.
func TestManyParkedPasses(t *testing.T) {
	p, q := &workerShares{}, &queued{}
	if err := p.feed(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	l := sharing.Lane{Store: "main", Namespace: "loud"}
	s, _ := p.enter(request(l.Namespace, 0), l, 1)
	const many = 100_000
	begin := time.Now()
	for i := range many {
		p.enter(request(l.Namespace, 1+i), l, 1)
	}
	for i := range many / 2 { // half of them are looked at again by an event, or are gone
		p.forget(request(l.Namespace, 1+2*i))
	}
	for range many / 2 {
		s.leave()
		p.rouse()
		if len(q.got) != 1 {
			t.Fatalf("%d are queued for one place", len(q.got))
		}
		s, _ = p.enter(q.got[0], l, 1)
		q.got = q.got[:0]
	}
	s.leave()
	if p.rouse(); len(q.got) != 0 || len(p.lines) != 0 || len(p.in) != 0 {
		t.Errorf("%d are left", len(p.in))
	}
	if took := time.Since(begin); took > time.Minute { // a shift of all at each step takes an hour
		t.Errorf("it took %s", took)
	}
}
