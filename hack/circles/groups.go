package main

import (
	"cmp"
	"maps"
	"slices"
)

// largest finds the largest strongly connected group of a graph, in alphabetical order; of several
// the one whose first file comes first.
func largest(uses map[string][]string) []string {
	var best []string
	for _, group := range groups(uses) {
		slices.Sort(group)
		if order := cmp.Compare(len(group), len(best)); order > 0 || order == 0 && slices.Compare(group, best) < 0 {
			best = group
		}
	}
	return best
}

// groups finds the strongly connected groups of a graph (Tarjan, 1972).
func groups(uses map[string][]string) [][]string {
	t := &tarjan{uses: uses, index: map[string]int{}, low: map[string]int{}, on: map[string]bool{}}
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		if t.index[name] == 0 {
			t.visit(name)
		}
	}
	return t.found
}

// tarjan is a search for groups.
type tarjan struct {
	uses       map[string][]string
	index, low map[string]int // from 1 on
	stack      []string
	on         map[string]bool
	found      [][]string
}

func (t *tarjan) visit(name string) {
	t.index[name] = len(t.index) + 1
	t.low[name] = t.index[name]
	t.stack, t.on[name] = append(t.stack, name), true
	for _, next := range t.uses[name] {
		if t.index[next] == 0 {
			t.visit(next)
			t.low[name] = min(t.low[name], t.low[next])
		} else if t.on[next] {
			t.low[name] = min(t.low[name], t.index[next])
		}
	}
	if t.low[name] != t.index[name] {
		return
	}
	at := slices.Index(t.stack, name)
	group := slices.Clone(t.stack[at:])
	t.stack = t.stack[:at]
	for _, member := range group {
		t.on[member] = false
	}
	t.found = append(t.found, group)
}
