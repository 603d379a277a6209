package s3

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

const benchPart = 64 << 20

// BenchmarkChunkedReader is the framing alone.
func BenchmarkChunkedReader(b *testing.B) {
	for _, mode := range preferred[:2] {
		p := payloads[mode]
		b.Run(string(mode), func(b *testing.B) {
			buf := make([]byte, filestore.PartBuffer)
			b.SetBytes(benchPart)
			b.ReportAllocs()
			for b.Loop() {
				r := newChunkedReader(borrow(zeros{}, benchPart), benchPart, p.newSum(), p.header)
				if _, err := io.CopyBuffer(onlyWriter{io.Discard}, r, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPutPart sends parts of 64 MiB to a backend in another process that only counts bytes.
// The body comes out of memory, or out of a socket as in the data plane. cpu-s/GiB is this process
// alone.
func BenchmarkPutPart(b *testing.B) {
	for _, body := range []string{"memory", "socket"} {
		for _, mode := range preferred {
			b.Run(fmt.Sprintf("%s/%s", body, mode), func(b *testing.B) {
				backend := startNullBackend(b)
				s, err := New(nullConfig(backend, mode))
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				benchParts(b, func(r io.Reader) error {
					_, err := s.PutPart(b.Context(), filestore.UploadRef{Key: "k", UploadID: "u"}, 1, r, benchPart)
					return err
				}, body, backend)
			})
		}
	}
}

// BenchmarkMinioGo is what minio-go does of its own accord, with its own transport, for comparison.
func BenchmarkMinioGo(b *testing.B) {
	for name, unsigned := range map[string]bool{"signed": false, "unsigned": true} {
		b.Run(name, func(b *testing.B) {
			backend := startNullBackend(b)
			c := nullConfig(backend, "")
			core, err := minio.NewCore(strings.TrimPrefix(c.Endpoint, "http://"), &minio.Options{Creds: newCredentials(c), Region: c.Region, MaxRetries: 1})
			if err != nil {
				b.Fatal(err)
			}
			benchParts(b, func(r io.Reader) error {
				_, err := core.PutObjectPart(b.Context(), c.Bucket, "k", "u", 1, r, benchPart, minio.PutObjectPartOptions{DisableContentSha256: unsigned})
				return err
			}, "socket", backend)
		})
	}
}

func nullConfig(backend *nullBackend, mode v1alpha1.PayloadMode) filestore.Config {
	return filestore.Config{
		Endpoint: "http://" + backend.sink, Region: "us-east-1", Bucket: "bucket", AddressingStyle: v1alpha1.AddressingPath, PayloadMode: mode,
		Credentials: &filestore.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"},
	}
}

func benchParts(b *testing.B, put func(io.Reader) error, body string, backend *nullBackend) {
	var source io.Reader = zeros{}
	if body == "socket" {
		conn, err := net.Dial("tcp", backend.source)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		source = conn
	}
	b.SetBytes(benchPart)
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		if err := put(io.LimitReader(source, benchPart)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpuTime()-before).Seconds()/float64(b.N)*(1<<30)/benchPart, "cpu-s/GiB")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// nullBackend is another process with two addresses: one takes parts and forgets them, one sends
// zeros without end.
type nullBackend struct{ sink, source string }

// nullBackendEnv makes the test binary that process.
const nullBackendEnv = "IOTFILE_TEST_NULL_BACKEND"

func startNullBackend(b *testing.B) *nullBackend {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNullBackend$")
	cmd.Env = append(os.Environ(), nullBackendEnv+"=1")
	stdin, err := cmd.StdinPipe() // its end ends the process
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	backend := &nullBackend{}
	if _, err := fmt.Sscan(line, &backend.sink, &backend.source); err != nil {
		b.Fatalf("%q: %v", line, err)
	}
	return backend
}

// TestNullBackend is no test, but the process of startNullBackend.
func TestNullBackend(t *testing.T) {
	if os.Getenv(nullBackendEnv) == "" {
		t.Skip("only for benchmarks")
	}
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	source, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	buffers := make(chan []byte, 8)
	for range cap(buffers) {
		buffers <- make([]byte, 1<<20)
	}
	go func() {
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			buf := <-buffers
			defer func() { buffers <- buf }()
			_, _ = io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{r.Body}, buf)
			w.Header().Set("ETag", `"x"`)
		})}
		_ = server.Serve(sink)
	}()
	go func() {
		for {
			conn, err := source.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 1<<20)
				for {
					if _, err := conn.Write(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	fmt.Println(sink.Addr(), source.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
