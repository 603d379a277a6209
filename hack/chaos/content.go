package main

import (
	"bytes"
	"crypto/md5" // #nosec G501 -- what object stores call a part's ETag
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
)

// content is bytes that anybody can make again who knows their name and number.
type content struct {
	name string
	size int64
}

// reader gives the bytes.
func (c content) reader() io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(c.name))), c.size)
}

// etag is the part's ETag in object storage.
func (c content) etag() string {
	h := md5.New() // #nosec G401 -- see above
	_, _ = io.Copy(h, c.reader())
	return hex.EncodeToString(h.Sum(nil))
}

// expect reads as many bytes as the candidates have, which are all of one size, and says which of
// them they are. It fails if they are none.
func expect(r io.Reader, candidates []content) (content, error) {
	size := candidates[0].size
	got := make([]byte, size)
	if n, err := io.ReadFull(r, got); err != nil {
		return content{}, fmt.Errorf("%d bytes are there of %d: %w", n, size, err)
	}
	var firsts []string
	for _, c := range candidates {
		at := differs(got, c.reader())
		if at < 0 {
			return c, nil
		}
		firsts = append(firsts, fmt.Sprintf("%s from byte %d on", c.name, at))
	}
	return content{}, fmt.Errorf("%d bytes differ from what was sent: %v (they begin with %x)", size, firsts, got[:min(16, len(got))])
}

// differs is where the bytes differ first, negative if they are the same.
func differs(got []byte, want io.Reader) int {
	buf := make([]byte, 64<<10)
	for at := 0; at < len(got); {
		n, err := io.ReadFull(want, buf[:min(len(buf), len(got)-at)])
		if !bytes.Equal(buf[:n], got[at:at+n]) {
			for i := range n {
				if buf[i] != got[at+i] {
					return at + i
				}
			}
		}
		at += n
		if err != nil {
			return at
		}
	}
	return -1
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
