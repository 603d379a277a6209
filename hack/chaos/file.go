package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// absent is the version of no file.
const absent = -1

// outcome is what a client knows of an attempt to make or delete a file.
type outcome string

const (
	pending outcome = "pending" // not asked for yet
	acked   outcome = "acknowledged"
	refused outcome = "refused"
	unknown outcome = "unknown"
	ended   outcome = "aborted" // or never to be completed
)

// attempt is one try to make the next version of a file, or to delete it.
type attempt struct {
	id                  string
	deletion, multipart bool
	// base is the version that it replaces, absent for none.
	base   int64
	pieces []*piece
	result outcome
	// open says that a multipart upload may be open, left that it was left so for certain.
	open, left bool
}

// version is the one that the file has if the attempt succeeds.
func (a *attempt) version() int64 { return a.base + 1 }

// describe is an attempt for people; nil stands for no file.
func describe(a *attempt) string {
	if a == nil {
		return "absent"
	}
	return fmt.Sprintf("version %d by %s (%s)", a.version(), a.id, a.result)
}

// piece is a part, or the whole of a file that was sent in one request.
type piece struct {
	number int
	// acked is what was acknowledged last; unsure is what was sent besides, without an answer that
	// tells.
	acked  *content
	unsure []content
	etag   string // that came with the acknowledgement
}

func (p *piece) allowed() []content {
	out := slices.Clone(p.unsure)
	if p.acked != nil {
		out = append(out, *p.acked)
	}
	return out
}

// file is all that clients have done to a file.
type file struct {
	entity, path string
	// shared files are updated by several clients, and never deleted; of the others each has one
	// client, which does one thing at a time.
	shared bool

	mu       sync.Mutex
	attempts []*attempt
	// last is what was acknowledged or read last, nil for nothing or a deletion; of private files
	// only.
	last       *attempt
	operations []operation
	log        []string
}

// key is where object storage has the file.
func (f *file) key() string { return namespace + "/" + f.entity + "/" + f.path }

// note adds a line to the log.
func (f *file) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (f *file) story() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.key() + "\n    " + strings.Join(f.log, "\n    ")
}

// begin adds an attempt.
func (f *file) begin(a *attempt) *attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.result = pending
	f.attempts = append(f.attempts, a)
	return a
}

// end records what has become of an attempt.
func (f *file) end(a *attempt, result outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.result = result
	if result == acked {
		f.last = a
		if a.deletion {
			f.last = nil
		}
	}
}

// saw takes what a read has shown for what was last there.
func (f *file) saw(a *attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = a
}

// uncertain reports whether anything may happen to the file that its client does not know of.
func (f *file) uncertain() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.operations, operation.lost)
}

// find gives the attempt of an id, nil if there is none.
func (f *file) find(id string) *attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.attempts {
		if a.id == id && !a.deletion {
			return a
		}
	}
	return nil
}

// sent records that bytes are on their way as a piece.
func (f *file) sent(p *piece, c content) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.unsure = append(p.unsure, c)
}

// answered records what became of them: sure means that no try of it can be stored any more, or
// again.
func (f *file) answered(p *piece, c content, stored, sure bool, etag string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if stored {
		p.acked, p.etag = &c, etag
	}
	if sure {
		p.unsure = slices.DeleteFunc(p.unsure, func(other content) bool { return other == c })
	}
}

// bytesOf gives for each piece of an attempt, in order, what its bytes may be. Pieces that were
// never sent are none.
func (f *file) bytesOf(a *attempt) [][]content {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out [][]content
	for _, p := range a.pieces {
		if c := p.allowed(); len(c) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// fileSet is the files of all clients.
type fileSet struct {
	mu    sync.Mutex
	files []*file
}

func (l *fileSet) add(f *file) *file {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = append(l.files, f)
	return f
}

// at is the file of a key, nil if there is none.
func (l *fileSet) at(key string) *file {
	for _, f := range l.all() {
		if f.key() == key {
			return f
		}
	}
	return nil
}

func (l *fileSet) all() []*file {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.files)
}
