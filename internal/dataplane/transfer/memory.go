package transfer

import (
	"fmt"
	"io"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
)

const (
	// maxChunked is how large a body of unknown length may be. Object storage must be told the
	// length before the first byte, so such a body is kept in memory.
	maxChunked = 16 << 20
	// Step is what is set aside at once for it.
	Step = 1 << 20
)

var chunkBlocks = sync.Pool{New: func() any { return new([Step]byte) }}

// memoryBody is a body of unknown length that has arrived. What was read of it is given back.
type memoryBody struct {
	blocks []*[Step]byte
	// from is where the rest begins in the first block, left its length in bytes.
	from, left int
	// give gives a step back.
	give func()
}

// Read implements io.Reader.
func (m *memoryBody) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	rest := m.blocks[0][m.from:min(Step, m.from+m.left)]
	n := copy(p, rest)
	m.from, m.left = m.from+n, m.left-n
	if m.from == Step || m.left == 0 {
		m.drop()
	}
	return n, nil
}

// drop gives the first block back.
func (m *memoryBody) drop() {
	chunkBlocks.Put(m.blocks[0])
	m.blocks, m.from = m.blocks[1:], 0
	m.give()
}

// trim gives back a last block that nothing came into.
func (m *memoryBody) trim() {
	last := len(m.blocks) - 1
	if m.left > last*Step {
		return
	}
	chunkBlocks.Put(m.blocks[last])
	m.blocks = m.blocks[:last]
	m.give()
}

// free gives back what is left. It is idempotent.
func (m *memoryBody) free() {
	for len(m.blocks) > 0 {
		m.drop()
	}
	m.left = 0
}

// Gather takes a body of unknown length into memory, step by step as it arrives, so that it goes on
// like one that has a length. One that has is left as it is. take sets Step bytes aside, and give
// gives them back.
func (b *Inbound) Gather(take func() error, give func()) error {
	if b.length >= 0 {
		return nil
	}
	m := &memoryBody{give: give}
	if err := b.fill(m, take); err != nil {
		m.free()
		return err
	}
	b.memory, b.length = m, int64(m.left)
	return nil
}

// fill reads the body to its end.
func (b *Inbound) fill(m *memoryBody, take func() error) error {
	for m.left < maxChunked {
		if err := take(); err != nil {
			return err
		}
		block := chunkBlocks.Get().(*[Step]byte)
		m.blocks = append(m.blocks, block)
		n, _ := io.ReadFull(b, block[:]) // how it ends, the body itself tells best
		if m.left += n; n < Step {
			m.trim()
			return b.err
		}
	}
	if n, _ := io.ReadFull(b, make([]byte, 1)); n > 0 {
		return endlessBody()
	}
	return b.err
}

// endlessBody answers a body of unknown length that is too long.
func endlessBody() *apierror.Error {
	return apierror.TooLarge(fmt.Sprintf(
		"a body without a Content-Length may have at most %d bytes: send it with its Content-Length, or start an upload with upload=start and send it in parts", maxChunked,
	))
}

// ExpectNone finds out whether a body of unknown length, where none is wanted, is one: without a
// byte, it is none.
func (b *Inbound) ExpectNone() error {
	if b.length >= 0 {
		return nil
	}
	if n, _ := io.ReadFull(b, make([]byte, 1)); n == 0 && b.err == nil {
		b.began = false // there was nothing, and there is nothing to come
	}
	return b.err
}
