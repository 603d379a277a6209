package dataplane

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// gate withholds the end of a body until check has agreed. Object storage takes an object only when it is whole, so this is the last moment
// at which a write can be called off, however long its body took.
type gate struct {
	body io.Reader
	left int64
	// check runs once, before the last bytes are given away; nil for none. An error ends the body.
	check func() error
	err   error
}

// Read implements io.Reader.
func (g *gate) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.body.Read(p)
	g.left -= int64(n)
	if g.left > 0 || n == 0 || g.check == nil {
		return n, err
	}
	check := g.check
	g.check = nil
	if g.err = check(); g.err != nil {
		return 0, g.err
	}
	return n, err
}

// keyLocks serialises what this process does with one object.
type keyLocks struct {
	mu   sync.Mutex
	held map[string]*keyLock
}

type keyLock struct {
	turn  chan struct{} // holds a value while nobody has the lock
	users int
}

// lock waits for the key's lock, or the end of ctx. The caller calls unlock once.
func (k *keyLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*keyLock{}
	}
	l := k.held[key]
	if l == nil {
		l = &keyLock{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		k.held[key] = l
	}
	l.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.held, key)
		}
	}
	select {
	case <-l.turn:
		return func() {
			l.turn <- struct{}{}
			leave()
		}, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("wait for other writers of the file: %w", context.Cause(ctx))
	}
}
