package digest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"
)

const amzPrefix = "X-Amz-Checksum-"

// amzAlgorithms are S3's names, as they end the header.
var amzAlgorithms = map[string]*algorithm{
	"Crc32": crc32Sum, "Crc32c": crc32cSum, "Crc64nvme": crc64Sum, "Sha1": sha1Sum, "Sha256": sha256Sum, "Sha512": sha512Sum, "Md5": md5Sum,
}

// registered are the keys of IANA's registry "Hash Algorithms for HTTP Digest Fields" that are
// computed here. CRC64NVME has none.
var registered = map[string]*algorithm{"sha-512": sha512Sum, "sha-256": sha256Sum, "md5": md5Sum, "sha": sha1Sum, "crc32c": crc32cSum}

// Of reads the digests that h announces of the body behind it: nil if there are none. Algorithms of
// Digest and Content-Digest that are not computed here are ignored (RFC 9530, section 2); an
// x-amz-checksum- of that kind is an error, because nobody would notice that it protects nothing.
// Errors say what to send, and are for the client.
func Of(h http.Header) (*Set, error) {
	var s Set
	for name, values := range h {
		var err error
		switch {
		case name == "Content-Md5":
			err = s.base64("Content-MD5", md5Sum, values)
		case name == "Content-Digest":
			err = s.dictionary(name, values)
		case name == "Digest":
			err = s.legacy(name, values)
		case strings.HasPrefix(name, amzPrefix):
			err = s.amz(name, values)
		}
		if err != nil {
			return nil, err
		}
	}
	if s.sums == nil {
		return nil, nil // most requests announce nothing, and are to cost nothing
	}
	out := s // s itself stays on the stack
	return &out, nil
}

func (s *Set) base64(header string, of *algorithm, values []string) error {
	if len(values) != 1 {
		return fmt.Errorf("%s is there %d times: send it once", header, len(values))
	}
	value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(values[0]))
	if err != nil {
		return malformed(header, of)
	}
	return s.add(header, of, value)
}

func (s *Set) amz(name string, values []string) error {
	switch kind := strings.TrimPrefix(name, amzPrefix); kind {
	case "Algorithm", "Mode", "Type": // of S3's other requests
		return nil
	default:
		if of := amzAlgorithms[kind]; of != nil {
			return s.base64(strings.ToLower(name), of, values)
		}
		return fmt.Errorf("%s cannot be verified here: send x-amz-checksum-crc64nvme, -crc32c, -crc32, -sha256, -sha512, -sha1 or -md5", strings.ToLower(name))
	}
}

// dictionary reads a Structured Field, as in
// "sha-256=:MV9b23bQeMQ7isAGTkoBZGErH853yGk0W/yUx1iU7dM=:".
func (s *Set) dictionary(header string, values []string) error {
	dictionary, err := httpsfv.UnmarshalDictionary(values)
	if err != nil {
		return malformed(header, sha256Sum)
	}
	for _, key := range dictionary.Names() {
		of := registered[key]
		if of == nil {
			continue
		}
		member, _ := dictionary.Get(key)
		item, _ := member.(httpsfv.Item)
		value, ok := item.Value.([]byte)
		if !ok {
			return malformed(header, of)
		}
		if err := s.add(header, of, value); err != nil {
			return err
		}
	}
	return nil
}

// legacy reads what came before it, as in
// "SHA-256=MV9b23bQeMQ7isAGTkoBZGErH853yGk0W/yUx1iU7dM=,CRC32c=0a72a4df".
func (s *Set) legacy(header string, values []string) error {
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		key, text, ok := strings.Cut(strings.TrimSpace(item), "=")
		of := registered[strings.ToLower(key)]
		switch {
		case !ok:
			return malformed(header, sha256Sum)
		case of == nil:
			continue
		}
		value, err := base64.StdEncoding.DecodeString(text)
		if of == crc32cSum { // 1..8 hexadecimal digits, leading zeros may be left out
			value, err = hex.DecodeString(strings.Repeat("0", max(0, 8-len(text))) + text)
		}
		if err != nil {
			return malformed(header, of)
		}
		if err := s.add(header, of, value); err != nil {
			return err
		}
	}
	return nil
}

// malformed says what the header has to be.
func malformed(header string, of *algorithm) error {
	key := strings.ToLower(of.name)
	if of == sha1Sum {
		key = "sha"
	}
	switch {
	case header == "Content-Digest":
		return fmt.Errorf("Content-Digest cannot be read: send %s=:BASE64:, where BASE64 is the base64 of the %d bytes of the body's %s, between colons", key, of.size, of.name)
	case header == "Digest" && of == crc32cSum:
		return errors.New("Digest cannot be read: send crc32c=HEX, the body's CRC32C in 1 to 8 hexadecimal digits")
	case header == "Digest":
		return fmt.Errorf("Digest cannot be read: send %s=BASE64, where BASE64 is the base64 of the %d bytes of the body's %s", key, of.size, of.name)
	default:
		return fmt.Errorf("%s cannot be read: send the base64 of the %d bytes of the body's %s", header, of.size, of.name)
	}
}
