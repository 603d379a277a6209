package devcluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// swiftUser is account and user of the administrator, which are the S3 access key.
const swiftUser = "test:tester"

// swiftRings are the services of a node that store something, in the order of their ports. That of
// memcached follows.
var swiftRings = []string{"account", "container", "object"}

// startSwift starts what the proxy needs: memcached, the three kinds of servers, and the daemon
// that brings listings up to date which an overloaded container server has missed. Each is one
// process without forks, which would outlive this program.
func (s *ObjectStore) startSwift(ctx context.Context) error {
	numbers, err := s.configureSwift(ctx)
	if err != nil {
		return err
	}
	account, err := user.Current()
	if err != nil {
		return err
	}
	memcached := strconv.Itoa(numbers[len(swiftRings)])
	specs := []processSpec{{name: "memcached", path: "memcached", args: []string{"-u", account.Username, "-l", "127.0.0.1", "-p", memcached, "-m", "16"}}}
	for _, ring := range swiftRings {
		specs = append(specs, processSpec{name: "swift-" + ring, path: "swift-" + ring + "-server", args: []string{s.swiftConf(ring), "--verbose"}})
	}
	specs = append(specs, processSpec{name: "swift-updater", path: "swift-object-updater", args: []string{s.swiftConf("object"), "--verbose"}})
	for _, spec := range specs {
		if _, err := s.help(spec); err != nil {
			return err
		}
	}
	return nil
}

// configureSwift chooses the ports of the helpers and writes their configuration.
func (s *ObjectStore) configureSwift(ctx context.Context) ([]int, error) {
	helpers := server{wanted: make([]int, len(swiftRings)+1), memory: filepath.Join(s.dir, "helper-ports.json")}
	before, err := helpers.recall()
	if err != nil {
		return nil, err
	}
	if s.helperPorts, err = helpers.choosePorts(before); err != nil {
		return nil, err
	}
	numbers := portNumbers(s.helperPorts)
	if err := os.MkdirAll(filepath.Join(s.dir, "devices", "d1"), 0o700); err != nil {
		return nil, err
	}
	if err := writeFile(s.swiftConf("swift"), []byte(swiftHash)); err != nil {
		return nil, err
	}
	for i, ring := range swiftRings {
		if err := writeFile(s.swiftConf(ring), []byte(s.swiftServerConfig(ring, numbers[i]))); err != nil {
			return nil, err
		}
		if err := s.makeRing(ctx, ring, numbers[i], slices.Equal(before, numbers)); err != nil {
			return nil, err
		}
	}
	return numbers, helpers.remember(numbers)
}

// makeRing writes the ring of a service, which names its one device and port, unless it is there.
func (s *ObjectStore) makeRing(ctx context.Context, ring string, port int, same bool) error {
	built := filepath.Join(s.dir, ring+".ring.gz")
	if _, err := os.Stat(built); same && err == nil {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	builder := filepath.Join(s.dir, ring+".builder")
	for _, file := range []string{built, builder} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, args := range [][]string{
		{"create", "4", "1", "1"},
		{"add", fmt.Sprintf("r1z1-127.0.0.1:%d/d1", port), "1"},
		{"rebalance"},
	} {
		if _, err := s.command(ctx, nil, "swift-ring-builder", append([]string{builder}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

func (s *ObjectStore) swiftConf(name string) string { return filepath.Join(s.dir, name+".conf") }

// swiftProxy completes the spec of the proxy, which has the S3 API.
func (s *ObjectStore) swiftProxy(spec *processSpec, ports []int) error {
	memcached := s.helperPorts[len(swiftRings)].number
	if err := writeFile(s.swiftConf("proxy"), []byte(s.swiftProxyConfig(ports[0], memcached))); err != nil {
		return err
	}
	spec.args = []string{s.swiftConf("proxy"), "--verbose"}
	return nil
}

const swiftHash = `[swift-hash]
swift_hash_path_suffix = test
swift_hash_path_prefix = test
[storage-policy:0]
default = yes
name = default
`

// swiftDefaults are those of a server of Swift's: its own address and user, logs of failures only.
func (s *ObjectStore) swiftDefaults(port int) string {
	name := "root"
	if account, err := user.Current(); err == nil {
		name = account.Username
	}
	return fmt.Sprintf(`[DEFAULT]
bind_ip = 127.0.0.1
bind_port = %d
swift_dir = %s
user = %s
workers = 0
log_udp_host =
log_address = /dev/null
`, port, s.dir, name)
}

func (s *ObjectStore) swiftServerConfig(ring string, port int) string {
	return s.swiftDefaults(port) + strings.ReplaceAll(fmt.Sprintf(`devices = %[1]s/devices
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = RING-server
[app:RING-server]
use = egg:swift#RING
[RING-replicator]
[RING-updater]
interval = 5
recon_cache_path = %[1]s
`, s.dir), "RING", ring)
}

func (s *ObjectStore) swiftProxyConfig(port, memcached int) string {
	account, name, _ := strings.Cut(s.AccessKey, ":")
	return s.swiftDefaults(port) + fmt.Sprintf(`[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats s3api tempauth bulk copy slo dlo versioned_writes symlink proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:%d
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = %s
allow_multipart_uploads = true
max_upload_part_num = 10000
check_bucket_owner = false
[filter:tempauth]
use = egg:swift#tempauth
user_%s_%s = %s .admin
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
[filter:dlo]
use = egg:swift#dlo
[filter:symlink]
use = egg:swift#symlink
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
`, memcached, s.Region, account, name, s.SecretKey)
}
