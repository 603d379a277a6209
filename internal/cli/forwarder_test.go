package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// forwarderKind is a forwarder as Debian has it.
type forwarderKind struct {
	program, packages string
	// frame is the configuration around what a test or the documentation has.
	frame func(dir, conf string) string
	args  func(dir, conf string) []string
}

var (
	nginx = forwarderKind{"nginx", "nginx-light", func(dir, conf string) string {
		temporary := ""
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			temporary += kind + "_temp_path " + dir + "/" + kind + ";\n"
		}
		return "daemon off;\nmaster_process off;\npid " + dir + "/pid;\nevents {}\nhttp {\naccess_log off;\n" + temporary + conf + "\n}\n"
	}, func(dir, conf string) []string { return []string{"-p", dir, "-c", conf, "-e", dir + "/error.log"} }}
	haproxy = forwarderKind{
		"haproxy", "haproxy", func(_, conf string) string { return conf },
		func(_, conf string) []string { return []string{"-db", "-f", conf} },
	}
)

// haproxyDefaults are the timeouts that Debian's configuration has.
const haproxyDefaults = "defaults\nmode http\ntimeout connect 5000\ntimeout client 50000\ntimeout server 50000\n"

// start runs the forwarder on loopback, with a configuration in which LISTEN stands for its
// address, until the test ends, and returns that address.
func (k forwarderKind) start(t *testing.T, conf string) string {
	t.Helper()
	path, err := exec.LookPath(k.program)
	if err != nil { // Debian has them where not every user looks
		path, err = exec.LookPath("/usr/sbin/" + k.program)
	}
	if err != nil {
		t.Skipf("NOT TESTED: there is no %s here: apt-get install %s", k.program, k.packages)
	}
	dir := t.TempDir()
	address, release, err := devcluster.ReserveAddress()
	check(t, err)
	t.Cleanup(release)
	file := filepath.Join(dir, "conf")
	check(t, os.WriteFile(file, []byte(k.frame(dir, strings.ReplaceAll(conf, "LISTEN", address))), 0o600))
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, k.args(dir, file)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	check(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	eventually(t, k.program+" listens", func() error {
		select {
		case <-ended:
			t.Fatalf("%s has ended: %s", k.program, log.String())
		default:
		}
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	return address
}

// nobody is an address where nobody listens: a port that was free a moment ago may be another
// program's by now.
const nobody = "127.0.0.1:1"

// nginxWith is a server of nginx with settings of the server and of its location.
func nginxWith(server, location string) string {
	return fmt.Sprintf("server { listen LISTEN; %s\nlocation / { %s } }", server, location)
}

// haproxyWith is a frontend of HAProxy with rules, before a server.
func haproxyWith(defaults, rules, upstream string) string {
	return defaults + "frontend f\nbind LISTEN\n" + rules + "\ndefault_backend b\nbackend b\nserver s " + upstream + "\n"
}

// recipe is the configuration that the documentation has, with the names and files of here: each of
// the replacements has to be in it.
func recipe(t *testing.T, name string, replacements ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", name))
	check(t, err)
	text := string(data)
	for i := 0; i+1 < len(replacements); i += 2 {
		if !strings.Contains(text, replacements[i]) {
			t.Fatalf("%s has no %q", name, replacements[i])
		}
		text = strings.ReplaceAll(text, replacements[i], replacements[i+1])
	}
	return text
}

// selfSigned writes a certificate for loopback and its key, and both in one file.
func (c *shellOf) selfSigned(t *testing.T) (cert, key, both string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(crand.Reader, template, template, private.Public(), private)
	check(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	secret = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	c.write(t, "hop.crt", certificate)
	c.write(t, "hop.key", secret)
	c.write(t, "hop.pem", append(certificate, secret...))
	at := func(name string) string { return filepath.Join(c.dir, name) }
	return at("hop.crt"), at("hop.key"), at("hop.pem")
}
