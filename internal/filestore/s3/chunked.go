package s3

import (
	"encoding/base64"
	"hash"
	"io"
	"strconv"
)

// chunkBytes is the payload of one chunk. MinIO refuses chunks of 32 MiB; below 1 MiB the framing
// begins to show.
const chunkBytes = 1 << 20

// chunkedReader frames a payload of known size as aws-chunked with a trailing checksum, as
// described in "Uploading objects using chunked transfer encoding / trailing checksums" of the S3
// documentation:
//
//	100000\r\n<1 MiB>\r\n … 0\r\nx-amz-checksum-crc64nvme:<base64>\r\n\r\n
//
// It reads the payload straight into the buffer of its caller and hashes it there: nothing is
// buffered, nothing copied. If the payload fails or ends early, the stream ends with that error in
// the middle of a chunk, so a backend cannot take it for complete.
type chunkedReader struct {
	payload io.Reader
	sum     hash.Hash
	trailer string // name of the header that carries sum
	left    int64  // bytes of the payload that were not read yet
	chunk   int64  // of these, the bytes in the chunk begun
	frame   []byte // framing that goes out before the next byte of the payload
	buf     [96]byte
}

func newChunkedReader(payload io.Reader, size int64, sum hash.Hash, trailer string) *chunkedReader {
	c := &chunkedReader{payload: payload, sum: sum, trailer: trailer, left: size}
	c.frame = c.nextFrame(c.buf[:0])
	return c
}

// chunkedLength is the length of the framed payload.
func chunkedLength(size int64, sum hash.Hash, trailer string) int64 {
	n := size / chunkBytes * frameLength(chunkBytes)
	if rest := size % chunkBytes; rest > 0 {
		n += frameLength(rest)
	}
	return n + int64(len("0\r\n")+len(trailer)+len(":")+base64.StdEncoding.EncodedLen(sum.Size())+len("\r\n\r\n"))
}

func frameLength(payload int64) int64 {
	digits := int64(1)
	for n := payload >> 4; n > 0; n >>= 4 {
		digits++
	}
	return digits + payload + int64(len("\r\n\r\n"))
}

// Read implements io.Reader. It reads the payload at most once.
func (c *chunkedReader) Read(p []byte) (int, error) {
	n := c.takeFrame(p)
	if n == len(p) {
		return n, nil
	}
	if c.chunk == 0 {
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	}
	room := p[n:]
	if int64(len(room)) > c.chunk {
		room = room[:c.chunk]
	}
	m, err := c.payload.Read(room)
	c.sum.Write(room[:m])
	c.left -= int64(m)
	c.chunk -= int64(m)
	n += m
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	if c.chunk == 0 {
		c.frame = c.nextFrame(append(c.buf[:0], "\r\n"...))
		n += c.takeFrame(p[n:])
	}
	return n, nil
}

func (c *chunkedReader) takeFrame(p []byte) int {
	n := copy(p, c.frame)
	c.frame = c.frame[n:]
	return n
}

// nextFrame begins the next chunk, or ends the stream with the checksum.
func (c *chunkedReader) nextFrame(b []byte) []byte {
	c.chunk = min(c.left, chunkBytes)
	b = strconv.AppendInt(b, c.chunk, 16)
	b = append(b, "\r\n"...)
	if c.chunk > 0 {
		return b
	}
	b = append(b, c.trailer...)
	b = append(b, ':')
	var digest [16]byte
	b = base64.StdEncoding.AppendEncode(b, c.sum.Sum(digest[:0]))
	return append(b, "\r\n\r\n"...)
}
