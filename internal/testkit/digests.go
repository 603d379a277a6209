package testkit

import (
	"crypto/md5"  //nolint:gosec // what clients send
	"crypto/sha1" //nolint:gosec // what clients send
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/crc64"
)

// Digests gives the headers by which a client can say what b is, each with the right value for it,
// by a name for the test. CRC64NVME is computed by other code than the operator's.
func Digests(b []byte) map[string][2]string {
	b64 := base64.StdEncoding.EncodeToString
	m, s1, s256, s512 := md5.Sum(b), sha1.Sum(b), sha256.Sum256(b), sha512.Sum512(b) //nolint:gosec // what clients send
	c32, c32c := crc32.ChecksumIEEE(b), crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	be32 := func(v uint32) string { return b64(binary.BigEndian.AppendUint32(nil, v)) }
	return map[string][2]string{
		"Content-MD5":              {"Content-MD5", b64(m[:])},
		"Content-Digest sha-256":   {"Content-Digest", "sha-256=:" + b64(s256[:]) + ":"},
		"Content-Digest sha-512":   {"Content-Digest", "sha-512=:" + b64(s512[:]) + ":"},
		"Content-Digest md5":       {"Content-Digest", "md5=:" + b64(m[:]) + ":"},
		"Content-Digest sha":       {"Content-Digest", "sha=:" + b64(s1[:]) + ":"},
		"Content-Digest crc32c":    {"Content-Digest", "crc32c=:" + be32(c32c) + ":"},
		"Content-Digest with more": {"Content-Digest", "new=:AA==:;x=\"a,b\", sha-256=:" + b64(s256[:]) + ":, unixsum=\"12\""},
		"Digest":                   {"Digest", "SHA-256=" + b64(s256[:]) + ", md5=" + b64(m[:]) + ",UNIXsum=30637"},
		"Digest crc32c":            {"Digest", fmt.Sprintf("CRC32c=%x", c32c)},
		"x-amz-checksum-crc32":     {"x-amz-checksum-crc32", be32(c32)},
		"x-amz-checksum-crc32c":    {"x-amz-checksum-crc32c", be32(c32c)},
		"x-amz-checksum-crc64nvme": {"x-amz-checksum-crc64nvme", CRC64NVME(b)},
		"x-amz-checksum-sha1":      {"x-amz-checksum-sha1", b64(s1[:])},
		"x-amz-checksum-sha256":    {"x-amz-checksum-sha256", b64(s256[:])},
		"x-amz-checksum-sha512":    {"x-amz-checksum-sha512", b64(s512[:])},
		"x-amz-checksum-md5":       {"x-amz-checksum-md5", b64(m[:])},
	}
}

// CRC64NVME is the checksum of b as S3 writes it, by the standard library.
func CRC64NVME(b []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64.Checksum(b, nvme)))
}

var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)
