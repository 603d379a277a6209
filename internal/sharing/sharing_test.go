package sharing_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/iotfile-operator/iotfile-operator/internal/sharing"
)

func fill(p *sharing.Pool, l sharing.Lane) (n int) {
	for p.Room(l) {
		p.Take(l, 1)
		n++
	}
	return n
}

// However much one store, or one namespace, has to do, something is left for the next.
func TestPoolIsShared(t *testing.T) {
	for _, tt := range []struct{ limit, alone, beside, otherStore int }{
		{256, 144, 36, 40}, {32, 18, 5, 6}, {16, 9, 3, 3}, {6, 4, 1, 1}, {4, 3, 0, 1}, {1, 1, 0, 0},
	} {
		p := sharing.NewPool(tt.limit)
		if n := fill(p, sharing.Lane{Store: "main", Namespace: "loud"}); n != tt.alone {
			t.Errorf("of %d places one namespace has %d, want %d", tt.limit, n, tt.alone)
		}
		if n := fill(p, sharing.Lane{Store: "main", Namespace: "quiet"}); n < tt.beside {
			t.Errorf("of %d places another namespace of the store has %d, want %d at least", tt.limit, n, tt.beside)
		}
		if n := fill(p, sharing.Lane{Store: "other", Namespace: "quiet"}); n < tt.otherStore {
			t.Errorf("of %d places another store has %d, want %d at least", tt.limit, n, tt.otherStore)
		}
	}
	p := sharing.NewPool(32)
	for i := range 100 { // as many namespaces as one likes
		fill(p, sharing.Lane{Store: "silent", Namespace: fmt.Sprint("ns-", i)})
	}
	if n := p.OfStore("silent"); n != 24 {
		t.Errorf("one store has %d of 32 places", n)
	}
	if n := fill(p, sharing.Lane{Store: "healthy", Namespace: "quiet"}); n < 4 {
		t.Errorf("beside it, a store has %d places", n)
	}
}

// Lanes that wait take turns, however many places each waits for.
func TestLineTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := sharing.NewLine(sharing.NewPool(1))
		release, ok := line.Try(sharing.Lane{Namespace: "first"})
		if !ok {
			t.Fatal("there is no place")
		}
		var order []string // whoever has the one place may write
		var all sync.WaitGroup
		for i := range 53 {
			namespace := "loud"
			if i >= 50 {
				namespace = "quiet"
			}
			all.Go(func() {
				release, err := line.Wait(t.Context(), sharing.Lane{Namespace: namespace})
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, namespace)
				release()
			})
		}
		synctest.Wait() // until all wait
		if _, ok := line.Try(sharing.Lane{Namespace: "loud"}); ok {
			t.Error("somebody goes past the line")
		}
		release()
		all.Wait()
		if len(order) != 53 {
			t.Fatalf("%d of 53 were served", len(order))
		}
		quiet := 0
		for _, namespace := range order[:8] {
			if namespace == "quiet" {
				quiet++
			}
		}
		if quiet != 3 {
			t.Errorf("they were served as %v", order)
		}
		if _, ok := line.Try(sharing.Lane{Namespace: "next"}); !ok {
			t.Error("places are held by nobody")
		}
	})
}

// Who gives up waiting leaves no trace.
func TestLineIsLeft(t *testing.T) {
	line := sharing.NewLine(sharing.NewPool(1))
	lane := sharing.Lane{Namespace: "a"}
	release, _ := line.Try(lane)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := make(chan error)
	go func() {
		_, err := line.Wait(ctx, lane)
		gone <- err
	}()
	cancel(enough)
	if err := <-gone; !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	release()
	release, ok := line.Try(lane)
	if !ok {
		t.Fatal("its place in the line is still taken")
	}
	release()
}
