package s3

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// sizes lie at the boundaries of chunks and of the digits of their lengths.
var sizes = []int{0, 1, 15, 16, 255, 256, 4095, 4096, 65535, 65536, chunkBytes - 1, chunkBytes, chunkBytes + 1, 2*chunkBytes - 1, 2 * chunkBytes, 3*chunkBytes + 12345}

func bytesOf(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// reference frames a payload in the most obvious way.
func reference(payload []byte, sum hash.Hash, trailer string) []byte {
	var b bytes.Buffer
	sum.Write(payload)
	for len(payload) > 0 {
		n := min(len(payload), chunkBytes)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, payload[:n])
		payload = payload[n:]
	}
	fmt.Fprintf(&b, "0\r\n%s:%s\r\n\r\n", trailer, base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	return b.Bytes()
}

func TestChunkedReader(t *testing.T) {
	for mode, p := range payloads {
		if p.newSum == nil {
			continue
		}
		for _, size := range sizes {
			content := bytesOf(uint64(size), size)
			want := reference(content, p.newSum(), p.header)
			if got := chunkedLength(int64(size), p.newSum(), p.header); got != int64(len(want)) {
				t.Errorf("%s, %d bytes: length %d, want %d", mode, size, got, len(want))
			}
			for name, body := range map[string]io.Reader{
				"whole":    bytes.NewReader(content),
				"dataErr":  iotest.DataErrReader(bytes.NewReader(content)),
				"half":     iotest.HalfReader(bytes.NewReader(content)),
				"overlong": io.MultiReader(bytes.NewReader(content), bytes.NewReader([]byte("more"))),
			} {
				for _, buffer := range []int{1 << 20, 4096, 7} {
					if buffer == 7 && size > 70_000 {
						continue
					}
					r := newChunkedReader(borrow(body, int64(size)), int64(size), p.newSum(), p.header)
					var got bytes.Buffer
					if _, err := io.CopyBuffer(onlyWriter{&got}, onlyReader{r}, make([]byte, buffer)); err != nil {
						t.Fatalf("%s, %d bytes, %s: %v", mode, size, name, err)
					}
					if !bytes.Equal(got.Bytes(), want) {
						t.Fatalf("%s, %d bytes, %s, buffer %d: not the frame that it should be", mode, size, name, buffer)
					}
					body = bytes.NewReader(content)
				}
			}
		}
	}
}

type onlyReader struct{ io.Reader }

// TestChunkedReaderNeverEndsCleanly: a payload that ends early or fails ends the stream with an
// error, before the last chunk.
func TestChunkedReaderNeverEndsCleanly(t *testing.T) {
	p := payloads[preferred[0]]
	broken := errors.New("broken")
	for _, size := range sizes[1:] {
		content := bytesOf(1, size)
		whole := reference(content, p.newSum(), p.header)
		for _, at := range []int{0, size / 3, size / 2, size - 1} {
			for _, tc := range []struct {
				body io.Reader
				want error
			}{
				{bytes.NewReader(content[:at]), io.ErrUnexpectedEOF},
				{io.MultiReader(bytes.NewReader(content[:at]), failing{broken}), broken},
			} {
				got, err := io.ReadAll(newChunkedReader(borrow(tc.body, int64(size)), int64(size), p.newSum(), p.header))
				if !errors.Is(err, tc.want) {
					t.Errorf("%d of %d bytes: error %v, want %v", at, size, err, tc.want)
				}
				if !bytes.HasPrefix(whole, got) || bytes.Contains(got, []byte(p.header)) {
					t.Errorf("%d of %d bytes: %d bytes of frame that a backend could take for whole", at, size, len(got))
				}
			}
		}
	}
}

func FuzzChunkedReader(f *testing.F) {
	f.Add(uint32(0), uint16(1))
	f.Add(uint32(chunkBytes), uint16(4096))
	f.Add(uint32(chunkBytes+1), uint16(5))
	f.Fuzz(func(t *testing.T, size uint32, buffer uint16) {
		size %= 3 * chunkBytes
		p := payloads[preferred[0]]
		content := bytesOf(uint64(size), int(size))
		r := newChunkedReader(borrow(iotest.HalfReader(bytes.NewReader(content)), int64(size)), int64(size), p.newSum(), p.header)
		var got bytes.Buffer
		if _, err := io.CopyBuffer(onlyWriter{&got}, onlyReader{r}, make([]byte, max(int(buffer), 64))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), reference(content, p.newSum(), p.header)) {
			t.Fatalf("%d bytes through a buffer of %d: not the frame that it should be", size, buffer)
		}
	})
}

// summing is a body that counts what is hashed, and computes the checksum of algorithm itself.
type summing struct {
	io.Reader
	algorithm string
	hash.Hash
	asked int
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.Write(p[:n])
	return n, err
}

func (s *summing) Running(algorithm string) hash.Hash {
	if algorithm != s.algorithm {
		return nil
	}
	s.asked++
	return s.Hash
}

// TestBodyThatSums: a checksum that the body computes is sent and not computed again; another is
// none.
func TestBodyThatSums(t *testing.T) {
	for mode, p := range payloads {
		if p.newSum == nil {
			continue
		}
		for _, size := range sizes {
			content := bytesOf(uint64(size), size)
			want := reference(content, p.newSum(), p.header)
			body := &summing{Reader: bytes.NewReader(content), algorithm: p.algorithm, Hash: p.newSum()}
			framed, _, _ := p.frame(borrow(body, int64(size)), int64(size))
			if got, err := io.ReadAll(framed); err != nil || !bytes.Equal(got, want) || body.asked != 1 {
				t.Errorf("%s, %d bytes: %d bytes, %v; asked %d times", mode, size, len(got), err, body.asked)
			}
			body = &summing{Reader: bytes.NewReader(content), algorithm: "MD5", Hash: p.newSum()}
			framed, _, _ = p.frame(borrow(body, int64(size)), int64(size))
			if got, err := io.ReadAll(framed); err != nil || !bytes.Equal(got, want) || body.asked != 0 {
				t.Errorf("%s, %d bytes, with a body that computes another: %d bytes, %v", mode, size, len(got), err)
			}
		}
	}
}

// onlyWriter hides the other methods of a writer, so that the buffer of a copy counts.
type onlyWriter struct{ io.Writer }
