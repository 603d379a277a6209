package bulkconn

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

const (
	// patience is how long bytes of a body wait in the kernel for more of them. Whoever watches the
	// rate of a client sees each byte by then.
	patience = 50 * time.Millisecond
	// leastWait is the fewest bytes that the kernel is asked to wait for: below, a wakeup for each
	// write of the client costs less than the waiting.
	leastWait = 8 << 10
	firstWait = 64 << 10
	mostWait  = 512 << 10
	// mostAhead is that of a read into a buffer of BufferSize.
	mostAhead = BufferSize * 3 / 4
)

// waits is how many bytes of a body the kernel is to have before it wakes the reader. It follows
// the client: it doubles as long as they come within patience, and becomes what came when they do
// not.
type waits struct {
	want int
	// set is what the socket was told last, 0 for nothing: the kernel's own is 1.
	set int
}

// receive reads from the kernel.
func (c *Conn) receive(p []byte) (int, error) {
	want := c.wanted(len(p))
	if err := c.setLeast(want); err != nil || want <= 1 {
		n, err := c.Conn.Read(p)
		c.came(n, want, false)
		return n, err
	}
	c.shorten(time.Now().Add(patience))
	n, err := c.readAtLeast(p, want)
	if late := c.restore(); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || late {
		c.came(n, want, false)
		return n, err
	}
	// What has come is less than was wanted.
	if err := c.setLeast(1); err != nil {
		return 0, err
	}
	n, err = c.Conn.Read(p)
	c.came(n, want, true)
	return n, err
}

// readAtLeast reads once the socket has want bytes, or nothing more is to come. A read that takes
// what is there, as net.Conn's does, would take the few bytes that have come since the last one.
func (c *Conn) readAtLeast(p []byte, want int) (n int, err error) {
	var failed error
	waited := false
	err = c.raw.Read(func(fd uintptr) bool {
		if !waited {
			waited = true
			if ready, err := readable(fd); err == nil && ready < want {
				return false
			}
		}
		n, failed = read(fd, p)
		return !errors.Is(failed, syscall.EAGAIN)
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, c.opError("read", failed)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// wanted is for how many bytes a read of up to room bytes waits. It is never more than what is
// still to come: that would hold up the end of the body.
func (c *Conn) wanted(room int) int {
	if c.raw == nil || c.expected <= 0 {
		return 1
	}
	if c.waits.want == 0 {
		c.waits.want = firstWait
	}
	most := mostWait
	if room <= BufferSize {
		most = min(mostAhead, room)
	}
	want := int(min(int64(c.waits.want), int64(most), c.expected))
	if want < leastWait {
		return 1
	}
	return want
}

// came notes that n bytes have come, of which want were wanted, and whether they were late.
func (c *Conn) came(n, want int, late bool) {
	if c.expected <= 0 {
		return
	}
	c.expected -= int64(n)
	switch {
	case late:
		c.waits.want = max(1, n/2) // 0 would be the first read
	case n >= max(want, leastWait/2):
		c.waits.want = min(max(2*n, 2*want), mostWait)
	}
}

// setLeast tells the socket how many bytes wake the reader.
func (c *Conn) setLeast(n int) error {
	if c.raw == nil || n == c.waits.set || (n <= 1 && c.waits.set <= 1) {
		return nil
	}
	if err := setLowat(c.raw, n); err != nil {
		return err
	}
	c.waits.set = n
	return nil
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetReadDeadline(c.first())
}

// first is the deadline that comes first of the two. The caller holds mu.
func (c *Conn) first() time.Time {
	if c.brief.IsZero() || (!c.deadline.IsZero() && c.deadline.Before(c.brief)) {
		return c.deadline
	}
	return c.brief
}

// shorten puts a shorter deadline in force, until restore.
func (c *Conn) shorten(brief time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.brief = brief
	_ = c.Conn.SetReadDeadline(c.first()) // fails if the connection is closed, and so does the read
}

// restore puts the deadline in force again that was set from above, and reports whether that is
// over.
func (c *Conn) restore() (late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.brief = time.Time{}
	_ = c.Conn.SetReadDeadline(c.deadline)
	return !c.deadline.IsZero() && !time.Now().Before(c.deadline)
}
