package filestore

import (
	"hash"
	"io"
)

// Summing is a body that computes a checksum of its own bytes while they are read. A Store that
// sends the same one behind them asks for it, instead of computing it a second time.
type Summing interface {
	io.Reader
	// Running gives the checksum of algorithm, by S3's name such as "CRC64NVME", over the bytes
	// that Read has given; nil if that is not computed. The caller writes nothing to it, and asks
	// it for its sum only while no Read goes on.
	Running(algorithm string) hash.Hash
}

// Running asks body, which need not be Summing.
func Running(body io.Reader, algorithm string) hash.Hash {
	if s, ok := body.(Summing); ok {
		return s.Running(algorithm)
	}
	return nil
}
