package iotfile

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"

	"github.com/minio/crc64nvme"
)

// Names of checksums in listings, each before a colon and the value in base64.
const (
	crc64Name = "crc64nvme"
	crc32Name = "crc32c"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeCRC is how headers and listings write a CRC64NVME.
func encodeCRC(crc uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc))
}

// sums are the checksums of a piece.
type sums struct {
	crc64 uint64
	crc32 uint32
	// both: crc32 was computed, too.
	both bool
}

// agrees reports whether a listed checksum is that of the piece, and whether it could be compared.
func (s sums) agrees(listed string) (equal, known bool) {
	algorithm, value, _ := strings.Cut(listed, ":")
	switch algorithm {
	case crc64Name:
		return value == encodeCRC(s.crc64), true
	case crc32Name:
		return value == base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, s.crc32)), s.both
	}
	return false, false
}

// sumOf reads a section. CRC32C is computed if a checksum of it is listed. An error is a
// *localError, or the cause of ctx.
func sumOf(ctx context.Context, section *io.SectionReader, listed string) (sums, error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	out := sums{both: strings.HasPrefix(listed, crc32Name)}
	for at := int64(0); at < section.Size(); {
		if canceled(ctx) {
			return out, context.Cause(ctx)
		}
		n, err := section.ReadAt((*buffer)[:min(int64(len(*buffer)), section.Size()-at)], at)
		if n == 0 {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return out, &localError{err}
		}
		out.crc64 = crc64nvme.Update(out.crc64, (*buffer)[:n])
		if out.both {
			out.crc32 = crc32.Update(out.crc32, castagnoli, (*buffer)[:n])
		}
		at += int64(n)
	}
	return out, nil
}

// polynomial is that of CRC64NVME, reflected: the coefficient of x^0 is the highest bit.
const polynomial = 0x9a6c9329ac4bc9b5

// multiply multiplies two polynomials modulo that of CRC64NVME.
func multiply(a, b uint64) uint64 {
	product := uint64(0)
	for bit := uint64(1) << 63; a != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
			a &^= bit
		}
		if b&1 != 0 {
			b = b>>1 ^ polynomial
		} else {
			b >>= 1
		}
	}
	return product
}

// combine is the CRC of two pieces, one behind the other, of which the second has size bytes.
func combine(first, second uint64, size int64) uint64 {
	shift, square := uint64(1)<<63, uint64(1)<<55 // x^0 and x^8, which is one byte
	for ; size > 0; size >>= 1 {
		if size&1 != 0 {
			shift = multiply(shift, square)
		}
		square = multiply(square, square)
	}
	return multiply(shift, first) ^ second
}
