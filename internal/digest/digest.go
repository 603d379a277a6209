// Package digest compares a body with what its sender says of it.
//
// It reads the digests that clients announce in the header of a request: Content-MD5 (RFC 1864),
// Digest (RFC 3230, obsolete but sent), Content-Digest (RFC 9530) and S3's x-amz-checksum-….
// It computes those alone, while the body streams, and nothing when there is none.
package digest

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // clients choose it against damage, not against attackers
	"crypto/sha1" //nolint:gosec // as md5
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"

	"github.com/minio/crc64nvme"
)

// algorithm is one way to compute a digest. Its name is what messages call it.
type algorithm struct {
	name string
	size int
	make func() hash.Hash
}

var (
	md5Sum    = &algorithm{"MD5", md5.Size, md5.New}
	sha1Sum   = &algorithm{"SHA-1", sha1.Size, sha1.New}
	sha256Sum = &algorithm{"SHA-256", sha256.Size, sha256.New}
	sha512Sum = &algorithm{"SHA-512", sha512.Size, sha512.New}
	crc32Sum  = &algorithm{"CRC32", crc32.Size, func() hash.Hash { return crc32.NewIEEE() }}
	crc32cSum = &algorithm{"CRC32C", crc32.Size, func() hash.Hash { return crc32.New(castagnoli) }}
	crc64Sum  = &algorithm{"CRC64NVME", crc64nvme.Size, func() hash.Hash { return crc64nvme.New() }}
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Set is the digests that a request announces of its body. It is for one body and one goroutine at
// a time.
type Set struct{ sums []sum }

// sum is a digest that is computed, and what it must be.
type sum struct {
	of     *algorithm
	hash   hash.Hash
	claims []claim
}

// claim is one header's word.
type claim struct {
	header string
	value  []byte
}

func (s *Set) add(header string, of *algorithm, value []byte) error {
	if len(value) != of.size {
		return malformed(header, of)
	}
	c := claim{header, value}
	for i := range s.sums {
		if s.sums[i].of == of {
			s.sums[i].claims = append(s.sums[i].claims, c)
			return nil
		}
	}
	s.sums = append(s.sums, sum{of: of, hash: of.make(), claims: []claim{c}})
	return nil
}

// Write implements io.Writer: it takes the next bytes of the body, and never fails.
func (s *Set) Write(p []byte) (int, error) {
	for i := range s.sums {
		_, _ = s.sums[i].hash.Write(p) // a hash never fails
	}
	return len(p), nil
}

// Check reports whether the bytes that were written are the body that was announced. The error is
// for the client. It is idempotent.
func (s *Set) Check() error {
	for _, sum := range s.sums {
		got := sum.hash.Sum(nil)
		for _, c := range sum.claims {
			if !bytes.Equal(got, c.value) {
				return fmt.Errorf("the body that arrived has the %s %s (base64), and %s announces %s: nothing was stored, send the bytes again, or the right digest of them",
					sum.of.name, base64.StdEncoding.EncodeToString(got), c.header, base64.StdEncoding.EncodeToString(c.value))
			}
		}
	}
	return nil
}

// Running gives the digest that is being computed over the bytes written so far, nil if that of
// algorithm (such as "CRC64NVME") is not among them. The caller writes nothing to it.
func (s *Set) Running(algorithm string) hash.Hash {
	for _, sum := range s.sums {
		if sum.of.name == algorithm {
			return sum.hash
		}
	}
	return nil
}
