package digest_test

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/digest"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// body is the check value's text of every CRC.
const body = "123456789"

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func of(t *testing.T, pairs ...string) (*digest.Set, error) {
	t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return digest.Of(h)
}

func check(t *testing.T, text string, pairs ...string) error {
	t.Helper()
	set, err := of(t, pairs...)
	if err != nil || set == nil {
		t.Fatalf("%v: %v, %v", pairs, set, err)
	}
	for _, c := range text {
		_, _ = set.Write([]byte{byte(c)})
	}
	return set.Check()
}

func TestCheck(t *testing.T) {
	for name, h := range testkit.Digests([]byte(body)) {
		if err := check(t, body, h[:]...); err != nil {
			t.Errorf("%s: the right bytes: %v", name, err)
		}
		for _, wrong := range []string{"", "123456780", body + "0", body[1:]} {
			if err := check(t, wrong, h[:]...); err == nil || !strings.Contains(err.Error(), strings.Fields(h[0])[0]) {
				t.Errorf("%s: %q instead of %q: %v", name, wrong, body, err)
			}
		}
	}
	// Published check values, so that a common mistake in both codes would show.
	for header, hexadecimal := range map[string]uint64{"x-amz-checksum-crc64nvme": 0xae8b14860a799888} {
		if err := check(t, body, header, b64(binary.BigEndian.AppendUint64(nil, hexadecimal))); err != nil {
			t.Error(err)
		}
	}
	if err := check(t, "dog", "Digest", "crc32c=A72A4DF"); err != nil { // RFC 3230's registry
		t.Error(err)
	}
}

// TestSeveral: all that is announced counts, also of one algorithm.
func TestSeveral(t *testing.T) {
	right, other := testkit.Digests([]byte(body)), testkit.Digests([]byte("other"))
	if err := check(t, body, append(pair(right["Content-MD5"]), pair(right["Content-Digest md5"])...)...); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"Content-Digest md5", "Content-Digest sha-256", "x-amz-checksum-crc32"} {
		if err := check(t, body, append(pair(right["Content-MD5"]), pair(other[wrong])...)...); err == nil {
			t.Errorf("a right Content-MD5 hides a wrong %s", wrong)
		}
	}
}

func pair(p [2]string) []string { return p[:] }

func TestNothingAnnounced(t *testing.T) {
	for _, pairs := range [][]string{
		nil,
		{"Content-Type", "text/plain", "Content-Length", "9", "X-Amz-Meta-Checksum", "x"},
		{"Content-Digest", "unixsum=:AAA=:, brand-new=?1"},
		{"Content-Digest", ""},
		{"Digest", "UNIXsum=30637"},
		{"x-amz-checksum-algorithm", "CRC32", "x-amz-checksum-type", "FULL_OBJECT"},
	} {
		if set, err := of(t, pairs...); set != nil || err != nil {
			t.Errorf("%v: %v, %v", pairs, set, err)
		}
	}
	h := http.Header{"Content-Type": {"a/b"}, "User-Agent": {"x"}, "Authorization": {"Bearer x"}}
	if n := testing.AllocsPerRun(100, func() { _, _ = digest.Of(h) }); n != 0 {
		t.Errorf("%v allocations for a request that announces nothing", n)
	}
}

func TestMalformed(t *testing.T) {
	for _, c := range []struct{ header, value, want string }{
		{"Content-MD5", "", "16 bytes"},
		{"Content-MD5", "25f9e794323b453885f5181f1b624d0b", "16 bytes"}, // hexadecimal
		{"Content-MD5", "AAAA", "16 bytes"},
		{"x-amz-checksum-crc32", "AAAAAAA=", "4 bytes"},
		{"x-amz-checksum-crc64nvme", "AAAAAAAAAAA=-2", "8 bytes"}, // over the checksums of parts
		{"x-amz-checksum-sha256", "?", "32 bytes"},
		{"x-amz-checksum-xxhash64", "AAAAAAAAAAA=", "crc64nvme"},
		{"Content-Digest", "sha-256=MV9b23bQeMQ7isAGTkoBZGErH853yGk0W/yUx1iU7dM=", "sha-256=:BASE64:"}, // as in Digest
		{"Content-Digest", "sha-256", "sha-256=:BASE64:"},
		{"Content-Digest", "sha=:AAAA:", "sha=:BASE64:"},
		{"Content-Digest", "SHA-256=:AAAA:", "sha-256=:BASE64:"},
		{"Content-Digest", "sha-256=(:AAAA:)", "sha-256=:BASE64:"},
		{"Digest", "nothing", "sha-256=BASE64"},
		{"Digest", "md5=:AAAA:", "md5=BASE64"},
		{"Digest", "crc32c=123456789", "crc32c=HEX"},
	} {
		if set, err := of(t, c.header, c.value); set != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.header) {
			t.Errorf("%s: %q: %v, %v; the error should hold %q", c.header, c.value, set, err, c.want)
		}
	}
	if set, err := of(t, "Content-MD5", "AAAA", "Content-MD5", "AAAA"); set != nil || err == nil || !strings.Contains(err.Error(), "once") {
		t.Errorf("two of them: %v, %v", set, err)
	}
}

// FuzzOf: no header makes it fail but with a message, and what it takes can be checked.
func FuzzOf(f *testing.F) {
	for _, h := range testkit.Digests([]byte(body)) {
		f.Add(h[0], h[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		set, err := digest.Of(http.Header{http.CanonicalHeaderKey(name): {value}})
		if set != nil && err != nil {
			t.Fatalf("%q: both a set and %v", value, err)
		}
		if set != nil {
			_, _ = set.Write([]byte(body))
			_ = set.Check()
		}
	})
}

func BenchmarkSet(b *testing.B) {
	p := make([]byte, 1<<20)
	for name, h := range testkit.Digests([]byte(body)) {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			set, err := digest.Of(http.Header{http.CanonicalHeaderKey(h[0]): {h[1]}})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				_, _ = set.Write(p)
			}
		})
	}
}
