package iotfile

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/minio/crc64nvme"
)

// TestCombine: the CRCs of pieces, combined, are that of the whole.
func TestCombine(t *testing.T) {
	data := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	for _, cuts := range [][]int{{0}, {1}, {7, 8}, {4096, 4096, 500_000}, {1 << 19}, {1 << 20}} {
		whole, rest := uint64(0), data
		for _, n := range append(cuts, 0) {
			if n == 0 {
				n = len(rest)
			}
			whole, rest = combine(whole, crc64nvme.Checksum(rest[:n]), int64(n)), rest[n:]
		}
		if want := crc64nvme.Checksum(data); whole != want {
			t.Errorf("cut at %v: %016x, not %016x", cuts, whole, want)
		}
	}
}

// TestCombineLong: so do pieces that are longer than anybody could hold.
func TestCombineLong(t *testing.T) {
	zero := crc64nvme.Checksum(make([]byte, 1<<20))
	size, crc := int64(1<<20), zero
	for size < 1<<40 { // of zeros, by doubling
		crc, size = combine(crc, crc, size), 2*size
	}
	steps, count := uint64(0), int64(0)
	for _, n := range []int64{1 << 39, 1 << 38, 1 << 38} {
		c, have := zero, int64(1<<20)
		for have < n {
			c, have = combine(c, c, have), 2*have
		}
		steps, count = combine(steps, c, n), count+n
	}
	if crc != steps || count != size {
		t.Errorf("%016x and %016x of %d and %d zeros", crc, steps, size, count)
	}
}

func FuzzCombine(f *testing.F) {
	f.Add([]byte("abc"), []byte("de"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		got := combine(crc64nvme.Checksum(a), crc64nvme.Checksum(b), int64(len(b)))
		if want := crc64nvme.Checksum(append(bytes.Clone(a), b...)); got != want {
			t.Errorf("%016x, not %016x", got, want)
		}
	})
}

// TestSums: a piece is compared with what is listed of it, in both algorithms.
func TestSums(t *testing.T) {
	data := bytes.Repeat([]byte("abcdefgh"), 100_000)
	section := io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data)))
	c32 := "crc32c:" + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, castagnoli)))
	c64 := "crc64nvme:" + encodeCRC(crc64nvme.Checksum(data))
	for _, tt := range []struct {
		listed       string
		equal, known bool
	}{{c32, true, true}, {c64, true, true}, {"crc32c:AAAAAA==", false, true}, {"crc64nvme:AAAAAAAAAAA=", false, true}, {"", false, false}, {"sha256:x", false, false}} {
		s, err := sumOf(t.Context(), section, tt.listed)
		if err != nil {
			t.Fatal(err)
		}
		if equal, known := s.agrees(tt.listed); equal != tt.equal || known != tt.known {
			t.Errorf("%q: equal %t, known %t", tt.listed, equal, known)
		}
	}
	s, err := sumOf(t.Context(), section, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, known := s.agrees(c32); known {
		t.Error("a CRC32C that was not computed is compared")
	}
	if _, err := sumOf(t.Context(), io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))+1), ""); err == nil {
		t.Error("a source that is too short has a checksum")
	}
}
