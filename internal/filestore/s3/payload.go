package s3

import (
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/minio/crc64nvme"
	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// payload is how the bytes of a part are sent in one v1alpha1.PayloadMode.
type payload struct {
	// newSum makes the checksum that is sent behind the bytes; nil where none is.
	newSum func() hash.Hash
	// algorithm is S3's name of it, as in x-amz-checksum-algorithm.
	algorithm string
	// header carries it, as a trailer of a part and as a header of an answer.
	header string
	// signed: each chunk is signed.
	signed bool
}

// framing is the coding of a body that is sent in chunks.
const framing = "aws-chunked"

// emptySHA256 is the SHA-256 of no bytes.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// payloads are all modes.
var payloads = map[v1alpha1.PayloadMode]payload{
	v1alpha1.PayloadTrailingCRC64NVME: {
		newSum: func() hash.Hash { return crc64nvme.New() }, algorithm: "CRC64NVME", header: "x-amz-checksum-crc64nvme",
	},
	v1alpha1.PayloadTrailingCRC32C: {
		newSum: func() hash.Hash { return crc32.New(castagnoli) }, algorithm: "CRC32C", header: "x-amz-checksum-crc32c",
	},
	v1alpha1.PayloadSignedChunks: {signed: true},
	v1alpha1.PayloadUnsigned:     {},
}

// preferred is the order in which Probe tries the modes: the cheapest of those that protect the
// bytes first.
var preferred = []v1alpha1.PayloadMode{
	v1alpha1.PayloadTrailingCRC64NVME, v1alpha1.PayloadTrailingCRC32C, v1alpha1.PayloadSignedChunks, v1alpha1.PayloadUnsigned,
}

// frame makes the body of a part: what is sent, its length on the wire, and the headers that go
// with it.
func (p payload) frame(body io.Reader, size int64) (io.Reader, int64, minio.PutObjectPartOptions) {
	if p.signed && size == 0 {
		// minio-go frames even no bytes in signed chunks, but announces a body of no length: what
		// it sends behind that, the backend takes for the next request of the connection.
		return body, size, minio.PutObjectPartOptions{DisableContentSha256: true, Sha256Hex: emptySHA256}
	}
	if p.newSum == nil {
		return body, size, minio.PutObjectPartOptions{DisableContentSha256: !p.signed}
	}
	sum := p.newSum()
	if running := filestore.Running(body, p.algorithm); running != nil {
		sum = borrowed{running}
	}
	length := chunkedLength(size, sum, p.header)
	header := http.Header{}
	header.Set("Content-Encoding", framing)
	header.Set("X-Amz-Trailer", p.header)
	header.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(size, 10))
	return newChunkedReader(body, size, sum, p.header), length, minio.PutObjectPartOptions{
		Sha256Hex:            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		CustomHeader:         header,
		DisableContentSha256: true,
	}
}

// borrowed is a checksum that whoever gives the bytes computes.
type borrowed struct{ hash.Hash }

// Write implements hash.Hash: the bytes are in the checksum already.
func (borrowed) Write(p []byte) (int, error) { return len(p), nil }

// announce adds to the headers of CreateMultipartUpload which checksum the parts will have.
// FULL_OBJECT makes the finished object have one over all its bytes, that anybody can compare with
// the file at hand; S3 offers it for the CRCs alone.
func (p payload) announce(header map[string]string) {
	if p.algorithm == "" {
		return
	}
	header["x-amz-checksum-algorithm"] = p.algorithm
	header["x-amz-checksum-type"] = "FULL_OBJECT"
}

// checksum picks the checksum of the mode, and its algorithm, out of the answer of a backend.
func (p payload) checksum(part minio.ObjectPart) (value, algorithm string) {
	switch p.algorithm {
	case "CRC64NVME":
		value = part.ChecksumCRC64NVME
	case "CRC32C":
		value = part.ChecksumCRC32C
	}
	if value == "" {
		return "", ""
	}
	return value, strings.ToLower(p.algorithm)
}

// completePart names a part to CompleteMultipartUpload. MinIO demands the checksum where the upload
// announced one; S3 compares it.
func (p payload) completePart(number int, etag, checksum string) minio.CompletePart {
	part := minio.CompletePart{PartNumber: number, ETag: etag}
	switch p.algorithm {
	case "CRC64NVME":
		part.ChecksumCRC64NVME = checksum
	case "CRC32C":
		part.ChecksumCRC32C = checksum
	}
	return part
}
