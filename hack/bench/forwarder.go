package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/iotfile-operator/iotfile-operator/hack/bench/nullstore"
	"github.com/iotfile-operator/iotfile-operator/hack/bench/splice"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// What this program can also be: each prints the address that it listens on, and ends with its
// standard input.
const (
	nullCommand   = "nullstore"
	spliceCommand = "splice"
)

// runNull is given the directory of a certificate, to serve over TLS.
func runNull(args []string) error {
	return serveUntilEOF(func(l *net.TCPListener) error {
		server := &http.Server{Handler: nullstore.New(), ReadHeaderTimeout: time.Minute, TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, DynamicRecordSizingDisabled: true,
		}}
		if len(args) == 0 {
			return server.Serve(l)
		}
		return server.ServeTLS(l, filepath.Join(args[0], devcluster.ServingCertFile), filepath.Join(args[0], devcluster.ServingKeyFile))
	})
}

func runSplice(args []string) error {
	if len(args) != 1 {
		return errors.New("name the address to forward to")
	}
	target, err := net.ResolveTCPAddr("tcp", args[0])
	if err != nil {
		return err
	}
	return serveUntilEOF(func(l *net.TCPListener) error { return splice.Serve(l, target) })
}

func serveUntilEOF(serve func(*net.TCPListener) error) error {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- serve(l) }()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		failed <- nil
	}()
	return <-failed
}

// forwarder is a process that stands in front of a store, or is one.
type forwarder struct {
	url   string
	token string // that it wants to see
	pid   int
	stop  func() error
}

// speaksTLS notes that it does.
func (f *forwarder) speaksTLS() { f.url = "https" + strings.TrimPrefix(f.url, "http") }

// startSelf starts this program as one of its commands.
func startSelf(ctx context.Context, dir, command string, args ...string) (*forwarder, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{command}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f, err := startProcess(cmd, dir, command)
	if err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	f.url = "http://" + strings.TrimSpace(address)
	if err == nil {
		err = f.awaitPort(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// startForeign starts a program that is told its port.
func startForeign(ctx context.Context, dir, path string, args func(port string) []string, env ...string) (*forwarder, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil { // the program has to take the port before anybody else does
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args(port)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}, env...)
	f, err := startProcess(cmd, dir, filepath.Base(path))
	if err != nil {
		return nil, err
	}
	f.url = "http://" + address
	if err := f.awaitPort(ctx); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// startProcess starts cmd in dir, with its log there.
func startProcess(cmd *exec.Cmd, dir, name string) (*forwarder, error) {
	log, err := os.CreateTemp(dir, name+"-*.log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own copy
	cmd.Dir, cmd.Stderr = dir, log
	stdin, err := cmd.StdinPipe() // open for as long as this process lives
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() error {
		_ = stdin.Close()
		_ = cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait() // how it ends does not matter
		return nil
	}
	return &forwarder{pid: cmd.Process.Pid, stop: stop}, nil
}

// awaitPort waits until the forwarder takes connections.
func (f *forwarder) awaitPort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(f.url, "http://"))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d does not listen on %s: %w", f.pid, f.url, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
