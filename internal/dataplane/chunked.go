package dataplane

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// maxChunked is how large a body of unknown length may be. Object storage must be told the
	// length before the first byte, so such a body is kept in memory.
	maxChunked = 16 << 20
	// chunkStep is what is set aside at once for it.
	chunkStep = 1 << 20
	// chunkedShare is the part of the buffered bytes, one in so many, that such bodies get
	// together: those that stream are not to wait for them.
	chunkedShare = 4
)

var chunkBlocks = sync.Pool{New: func() any { return new([chunkStep]byte) }}

// memoryBody is a body of unknown length that has arrived. What was read of it is given back.
type memoryBody struct {
	blocks []*[chunkStep]byte
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
	rest := m.blocks[0][m.from:min(chunkStep, m.from+m.left)]
	n := copy(p, rest)
	m.from, m.left = m.from+n, m.left-n
	if m.from == chunkStep || m.left == 0 {
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
	if m.left > last*chunkStep {
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

// takeStep sets memory aside for a body of unknown length, or answers 503. giveStep gives it back.
func (b *budget) takeStep(namespace string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.chunked.Room(namespace, chunkStep) || !b.memory.Room(namespace, chunkStep) {
		b.metrics.rejected.WithLabelValues(budgetBuffers).Inc()
		return apierror.Unavailable("the server is taking as many bodies of unknown length as it may: send the request again, best with a Content-Length", apierror.RetrySoon)
	}
	b.chunked.Take(namespace, chunkStep)
	b.buffer(namespace, chunkStep)
	return nil
}

func (b *budget) giveStep(namespace string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chunked.Take(namespace, -chunkStep)
	b.buffer(namespace, -chunkStep)
	b.serveLines()
}

// gather takes a body of unknown length into memory, step by step as it arrives, so that it goes on
// like one that has a length. One that has is left as it is.
func (s *Server) gather(c *call) error {
	if c.body.length >= 0 {
		return nil
	}
	m := &memoryBody{give: func() { s.budget.giveStep(c.file.Namespace) }}
	if err := s.fill(c, m); err != nil {
		m.free()
		return err
	}
	c.body.memory, c.body.length = m, int64(m.left)
	if c.digests != nil && m.left == 0 {
		if err := c.digests.Check(); err != nil {
			return apierror.BadRequest(err.Error())
		}
	}
	return nil
}

// fill reads the body to its end.
func (s *Server) fill(c *call, m *memoryBody) error {
	for m.left < maxChunked {
		if err := s.budget.takeStep(c.file.Namespace); err != nil {
			return err
		}
		block := chunkBlocks.Get().(*[chunkStep]byte)
		m.blocks = append(m.blocks, block)
		n, _ := io.ReadFull(c.body, block[:]) // how it ends, the body itself tells best
		if m.left += n; n < chunkStep {
			m.trim()
			return c.body.err
		}
	}
	if n, _ := io.ReadFull(c.body, make([]byte, 1)); n > 0 {
		return endlessBody()
	}
	return c.body.err
}

// endlessBody answers a body of unknown length that is too long.
func endlessBody() *apierror.Error {
	return apierror.TooLarge(fmt.Sprintf(
		"a body without a Content-Length may have at most %d bytes: send it with its Content-Length, or start an upload with upload=start and send it in parts", maxChunked,
	))
}

// admitSize checks the size of a part, as far as it is known by now.
func (c *call) admitSize(final bool, limits upload.Limits) error {
	if c.body.length < 0 {
		return nil
	}
	return upload.AdmitSize(c.body.length, final, limits)
}

// gatherPart gathers the body of a part of u, which was admitted without its size.
func (s *Server) gatherPart(ctx context.Context, c *call, u *v1alpha1.MultipartUpload) error {
	if c.body.length >= 0 {
		return nil
	}
	if err := s.gather(c); err != nil {
		return err
	}
	return c.admitSize(false, s.limitsOf(ctx, u, nil))
}

// gatherFinal gathers the body of a completion of u, unless the parts before it are not all there.
func (s *Server) gatherFinal(ctx context.Context, c *call, u *v1alpha1.MultipartUpload, parts []filestore.Part) (again bool, err error) {
	if c.body.length >= 0 {
		return false, nil
	}
	if _, err := finalNumber(numbersOf(parts), u.Spec.FinalPartNumber); err != nil {
		return s.lacking(ctx, u, err)
	}
	if err := s.gather(c); err != nil {
		return false, err
	}
	return false, c.admitSize(true, s.limitsOf(ctx, u, nil))
}

// gatherFile gathers the body of a file that is sent in one request, unless the file is not as the
// request demands. A request with an Idempotency-Key may be the repetition of one that has stored
// the file: that shows when its length is known.
func (s *Server) gatherFile(ctx context.Context, c *call, at target, key string) error {
	if c.body.length >= 0 {
		return nil
	}
	if key == "" {
		object, file, exists, err := at.stat(ctx)
		if err == nil {
			err = c.checkFile(exists, file.Version, object.Modified)
		}
		if err != nil {
			return err
		}
	}
	if err := s.gather(c); err != nil {
		return err
	}
	return admitFileSize(c.body.length, upload.LimitsOf(at.fs))
}

// expectNone finds out whether a body of unknown length, where none is wanted, is one: without a
// byte, it is none.
func (b *inbound) expectNone() error {
	if b.length >= 0 {
		return nil
	}
	if n, _ := io.ReadFull(b, make([]byte, 1)); n == 0 && b.err == nil {
		b.began = false // there was nothing, and there is nothing to come
	}
	return b.err
}
