package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// host is where a store listens.
func (s *store) host() string {
	u, err := url.Parse(s.endpoint)
	if err != nil {
		return s.endpoint
	}
	return u.Host
}

// startNginx starts an nginx of one process, which passes bodies on as they come.
func startNginx(ctx context.Context, b *testbed, s *store) (*forwarder, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("%w: apt-get install nginx-light", err)
	}
	listen, upstream := "", "http://"
	if b.settings.traffic.tlsIn() {
		listen = fmt.Sprintf(" ssl;\n\t\tssl_certificate %s/%s;\n\t\tssl_certificate_key %s/%s", b.cert, devcluster.ServingCertFile, b.cert, devcluster.ServingKeyFile)
	}
	if b.settings.traffic.tlsOut() {
		upstream = "https://"
	}
	return b.startProxy(ctx, path, "nginx.conf", func(port string) string {
		return fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	client_max_body_size 0;
	client_body_buffer_size 256k;
	upstream store { server %[2]s; keepalive 128; }
	server {
		listen 127.0.0.1:%[3]s%[4]s;
		location / {
			proxy_pass %[5]sstore;
			proxy_http_version 1.1;
			proxy_request_buffering off;
			proxy_buffering off;
			proxy_buffer_size 256k; proxy_buffers 4 256k; proxy_busy_buffers_size 512k;
			proxy_ssl_protocols TLSv1.3;
			proxy_set_header Host $http_host;
			proxy_set_header Connection "";
		}
	}
}
`, b.dir, s.host(), port, listen, upstream)
	}, "-p", b.dir, "-e", "stderr", "-c")
}

// startHAProxy starts an haproxy that passes bodies on as they come, as it does by default.
func startHAProxy(ctx context.Context, b *testbed, s *store) (*forwarder, error) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		return nil, fmt.Errorf("%w: apt-get install haproxy", err)
	}
	bind, server := "", ""
	if b.settings.traffic.tlsIn() {
		pem := filepath.Join(b.dir, "haproxy.pem")
		if err := concatenate(pem, filepath.Join(b.cert, devcluster.ServingCertFile), filepath.Join(b.cert, devcluster.ServingKeyFile)); err != nil {
			return nil, err
		}
		bind = " ssl crt " + pem
	}
	if b.settings.traffic.tlsOut() {
		server = " ssl verify none"
	}
	return b.startProxy(ctx, path, "haproxy.cfg", func(port string) string {
		return fmt.Sprintf(`global
	maxconn 1024
	nbthread 2
	tune.bufsize 65536
defaults
	mode http
	timeout connect 10s
	timeout client 1m
	timeout server 1m
frontend in
	bind 127.0.0.1:%s%s
	default_backend store
backend store
	http-reuse always
	server store %s%s
`, port, bind, s.host(), server)
	}, "-db", "-f")
}

// startProxy starts a program with a configuration that is its last argument.
func (b *testbed) startProxy(ctx context.Context, path, name string, config func(port string) string, args ...string) (*forwarder, error) {
	file := filepath.Join(b.dir, name)
	var writeErr error
	f, err := b.startForeign(ctx, path, func(port string) []string {
		writeErr = os.WriteFile(file, []byte(config(port)), 0o600)
		return append(args, file)
	})
	if err == nil && writeErr != nil {
		err = writeErr
	}
	return f, err
}

// startForeign starts a program that is told its port, and speaks TLS if the traffic has it so.
func (b *testbed) startForeign(ctx context.Context, path string, args func(port string) []string, env ...string) (*forwarder, error) {
	f, err := startForeign(ctx, b.dir, path, args, env...)
	if err == nil && b.settings.traffic.tlsIn() {
		f.speaksTLS()
	}
	return f, err
}

// certFlagsIn are certFlags of a program that clients speak TLS with, if they do.
func (b *testbed) certFlagsIn(cert, key string) []string {
	if !b.settings.traffic.tlsIn() {
		return nil
	}
	return b.certFlags(cert, key)
}

// certFlags are the flags of a program for the certificate that it serves with.
func (b *testbed) certFlags(cert, key string) []string {
	return []string{cert + filepath.Join(b.cert, devcluster.ServingCertFile), key + filepath.Join(b.cert, devcluster.ServingKeyFile)}
}

func concatenate(to string, from ...string) error {
	var all []byte
	for _, name := range from {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		all = append(all, text...)
	}
	return os.WriteFile(to, all, 0o600)
}
