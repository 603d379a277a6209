package search

import (
	"container/heap"
	"slices"
)

// top keeps the first size of any number of items, in an order, and forgets the others.
type top[T any] struct {
	size    int
	compare func(a, b T) int
	items   []T // a heap whose root is the last of those that are kept
}

func newTop[T any](size int, compare func(a, b T) int) *top[T] {
	return &top[T]{size: size, compare: compare}
}

// add keeps the item if it is among the first.
func (t *top[T]) add(item T) {
	switch {
	case len(t.items) < t.size:
		heap.Push(t, item)
	case t.size > 0 && t.compare(item, t.items[0]) < 0:
		t.items[0] = item
		heap.Fix(t, 0)
	}
}

// sorted returns what was kept, in order. Nothing can be added afterwards.
func (t *top[T]) sorted() []T {
	slices.SortFunc(t.items, t.compare)
	return t.items
}

// Len implements heap.Interface.
func (t *top[T]) Len() int { return len(t.items) }

// Less implements heap.Interface.
func (t *top[T]) Less(i, j int) bool { return t.compare(t.items[i], t.items[j]) > 0 }

// Swap implements heap.Interface.
func (t *top[T]) Swap(i, j int) { t.items[i], t.items[j] = t.items[j], t.items[i] }

// Push implements heap.Interface.
func (t *top[T]) Push(x any) {
	if item, ok := x.(T); ok {
		t.items = append(t.items, item)
	}
}

// Pop implements heap.Interface.
func (t *top[T]) Pop() any {
	last := t.items[len(t.items)-1]
	t.items = t.items[:len(t.items)-1]
	return last
}
