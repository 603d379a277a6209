package devcluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// maxSocketPath is below the shortest limit for the path of a unix socket: 104 bytes on macOS and
// the BSDs, 108 on Linux.
const maxSocketPath = 100

// socketDir is a directory that only we can enter: the sockets in it need no passwords.
type socketDir struct {
	path      string
	temporary bool
}

// makeSocketDir makes dir, or a temporary directory when dir is too long a path for a socket.
func makeSocketDir(dir string) (socketDir, error) {
	if len(dir)+len("/etcd-client.sock") > maxSocketPath {
		dir, err := os.MkdirTemp("", "devcluster-") // made with mode 0700
		return socketDir{path: dir, temporary: true}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return socketDir{}, err
	}
	return socketDir{path: dir}, os.Chmod(dir, 0o700)
}

func (d socketDir) remove() error {
	if !d.temporary {
		return nil
	}
	return os.RemoveAll(d.path)
}

func (d socketDir) client() string  { return filepath.Join(d.path, "etcd-client.sock") }
func (d socketDir) peer() string    { return filepath.Join(d.path, "etcd-peer.sock") }
func (d socketDir) etcdURL() string { return "unix://" + d.client() }

// etcdHost is where httpClient finds etcd, whatever the host is called.
const etcdHost = "http://etcd"

func (d socketDir) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.client())
		},
	}}
}

type etcdSpec struct {
	program string
	dir     string
	sockets socketDir
	noFsync bool
}

// startEtcd starts a single etcd that listens on unix sockets only and returns when it answers.
func startEtcd(ctx context.Context, spec etcdSpec) (*process, error) {
	args := []string{
		"--data-dir=" + filepath.Join(spec.dir, "etcd"),
		"--listen-client-urls=" + spec.sockets.etcdURL(),
		"--advertise-client-urls=" + spec.sockets.etcdURL(),
		"--listen-peer-urls=unix://" + spec.sockets.peer(),
		"--log-level=warn",
	}
	if spec.noFsync {
		args = append(args, "--unsafe-no-fsync")
	}
	p, err := startProcess(processSpec{
		name: "etcd", path: spec.program, args: args, dir: spec.dir, logPath: filepath.Join(spec.dir, "logs", "etcd.log"),
	})
	if err != nil {
		return nil, err
	}
	client := spec.sockets.httpClient()
	defer client.CloseIdleConnections()
	ready := func(ctx context.Context) error { return getOK(ctx, client, etcdHost+"/readyz") }
	if err := p.waitReady(ctx, time.Minute, ready); err != nil {
		_ = p.kill()
		return nil, err
	}
	return p, nil
}

// getOK returns nil when a GET of url is answered with 200.
func getOK(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
