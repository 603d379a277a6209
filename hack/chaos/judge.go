package main

import (
	"fmt"
	"io"
)

// judge reports whether what was seen of a file can be: a is the attempt that made it, nil if there
// is no file.
func (f *file) judge(a *attempt) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shared {
		return f.judgeShared(a)
	}
	reached := f.reachable()
	if reached[a] {
		return nil
	}
	return fmt.Errorf("the file is %s, but was %s when last acknowledged or seen, and nothing unanswered leads from there", describe(a), describe(f.last))
}

func describe(a *attempt) string {
	if a == nil {
		return "absent"
	}
	return fmt.Sprintf("version %d by %s (%s)", a.version(), a.id, a.result)
}

// reachable are the states that the file can be in: the last certain one, and each that an attempt
// whose answer was lost makes of another.
func (f *file) reachable() map[*attempt]bool {
	reached := map[*attempt]bool{f.last: true}
	for grown := true; grown; {
		grown = false
		for state := range reached {
			for _, g := range f.ghosts {
				if to, ok := g.after(state); ok && !reached[to] {
					reached[to], grown = true, true
				}
			}
		}
	}
	return reached
}

// after is what the attempt makes of a state, if its condition holds there.
func (a *attempt) after(state *attempt) (*attempt, bool) {
	switch {
	case a.deletion:
		return nil, state != nil
	case state == nil:
		return a, a.base == absent
	default:
		return a, a.base == state.version()
	}
}

// judgeShared: the file is what the highest acknowledged version says, or a later one that was not
// answered, and no version has two winners.
func (f *file) judgeShared(final *attempt) error {
	winners, maybe, highest, err := f.versions()
	if err != nil {
		return err
	}
	if final == nil {
		if highest == absent {
			return nil
		}
		return fmt.Errorf("the file is absent, although version %d was acknowledged", highest)
	}
	for v := range final.version() {
		if winners[v] == nil && !maybe[v] {
			return fmt.Errorf("the file is at version %d, and nobody can have made version %d", final.version(), v)
		}
	}
	switch winner := winners[final.version()]; {
	case final.version() < highest:
		return fmt.Errorf("the file is %s, although version %d was acknowledged", describe(final), highest)
	case winner != nil && winner != final:
		return fmt.Errorf("the file is %s, although that version was acknowledged to %s", describe(final), winner.id)
	case winner == nil && final.result != unknown:
		return fmt.Errorf("the file is %s", describe(final))
	}
	return nil
}

// versions gives who was acknowledged each version, which ones may have been made without an
// answer, and the highest acknowledged one.
func (f *file) versions() (winners map[int64]*attempt, maybe map[int64]bool, highest int64, err error) {
	winners, maybe, highest = map[int64]*attempt{}, map[int64]bool{}, absent
	for _, a := range f.attempts {
		switch a.result {
		case acked:
			if other := winners[a.version()]; other != nil {
				return nil, nil, 0, fmt.Errorf("version %d was acknowledged twice: to %s and to %s", a.version(), other.id, a.id)
			}
			winners[a.version()] = a
			highest = max(highest, a.version())
		case unknown:
			maybe[a.version()] = true
		default:
		}
	}
	return winners, maybe, highest, nil
}

// compare reads a file to its end and reports whether it is, to the byte, what the attempt sent.
func (f *file) compare(a *attempt, body io.Reader) error {
	for i, candidates := range f.bytesOf(a) {
		if _, err := expect(body, candidates); err != nil {
			return fmt.Errorf("part %d of %s: %w", i+1, describe(a), err)
		}
	}
	n, err := io.Copy(io.Discard, body)
	if err == nil && n > 0 {
		err = fmt.Errorf("%s has %d bytes too many", describe(a), n)
	}
	return err
}
