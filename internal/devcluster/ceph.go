package devcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A cluster of RADOS has an id of its own, and so has each of its disks. Nothing leaves this
// machine, so all clusters that are started here may have the same.
const (
	cephFSID = "7d1f6a9e-0000-4000-8000-00000000c3f0"
	cephOSD  = "7d1f6a9e-0000-4000-8000-00000000c3f1"
)

// startRADOS starts a monitor and an OSD for a RADOS Gateway, and makes the cluster on the first
// start. There is no manager daemon: the gateway does without, and it takes 300 MiB.
func (s *ObjectStore) startRADOS(ctx context.Context) error {
	made := filepath.Join(s.dir, "made")
	_, err := os.Stat(made)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return err
	}
	if err := s.startMonitor(ctx, fresh); err != nil {
		return err
	}
	if fresh {
		if err := s.makeOSD(ctx); err != nil {
			return err
		}
	}
	osd, err := s.help(processSpec{name: "ceph-osd", path: "ceph-osd", args: s.cephArgs("-f", "-i", "0")})
	if err != nil {
		return err
	}
	if err := osd.waitReady(ctx, time.Minute, s.osdUp); err != nil {
		return err
	}
	if !fresh {
		return nil
	}
	_, err = s.ceph(ctx, "radosgw-admin", "-n", "client.rgw", "user", "create", "--uid=iotfile", "--display-name=iotfile",
		"--access-key="+s.AccessKey, "--secret="+s.SecretKey)
	if err != nil {
		return err
	}
	return writeFile(made, nil)
}

// startMonitor starts the monitor. Its port is part of the cluster's map, so it keeps it.
func (s *ObjectStore) startMonitor(ctx context.Context, fresh bool) error {
	server := server{
		wanted: []int{0},
		memory: filepath.Join(s.dir, "monitor-ports.json"),
		limit:  time.Minute,
		start: func(ports []int) (*process, error) {
			if err := writeFile(s.cephConf(), []byte(s.cephConfig(ports[0]))); err != nil {
				return nil, err
			}
			if fresh {
				if err := s.makeMonitor(ctx, ports[0]); err != nil {
					return nil, err
				}
			}
			return s.help(processSpec{name: "ceph-mon", path: "ceph-mon", args: s.cephArgs("-f", "-i", "a")})
		},
		ready: func(ctx context.Context, _ []int) error {
			_, err := s.ceph(ctx, "ceph", "--connect-timeout=5", "fsid")
			return err
		},
	}
	if !fresh {
		before, err := server.recall()
		if err != nil {
			return err
		}
		copy(server.wanted, before)
	}
	_, ports, err := server.run(ctx)
	s.helperPorts = ports
	return err
}

// makeMonitor makes the keys of all daemons, and the data of the monitor.
func (s *ObjectStore) makeMonitor(ctx context.Context, port int) error {
	for _, name := range []string{"mon", "osd", "rgw"} {
		if err := errors.Join(os.RemoveAll(filepath.Join(s.dir, name)), os.MkdirAll(filepath.Join(s.dir, name), 0o700)); err != nil {
			return err
		}
	}
	keyring, monmap := filepath.Join(s.dir, "keyring"), filepath.Join(s.dir, "monmap")
	commands := [][]string{{"ceph-authtool", "-C", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"}}
	for _, who := range []string{"client.admin", "client.rgw", "osd.0"} {
		commands = append(commands, []string{"ceph-authtool", keyring, "--gen-key", "-n", who, "--cap", "mon", "allow *", "--cap", "osd", "allow *"})
	}
	commands = append(commands,
		[]string{"monmaptool", "--create", "--clobber", "--fsid", cephFSID, "--addv", "a", "[v2:" + address(port) + "]", monmap},
		[]string{"ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap},
	)
	for _, command := range commands {
		if _, err := s.ceph(ctx, command[0], command[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// makeOSD makes the disk: a sparse file.
func (s *ObjectStore) makeOSD(ctx context.Context) error {
	if _, err := s.ceph(ctx, "ceph", "osd", "new", cephOSD, "0"); err != nil {
		return err
	}
	_, err := s.ceph(ctx, "ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", cephOSD)
	return err
}

func (s *ObjectStore) osdUp(ctx context.Context) error {
	out, err := s.ceph(ctx, "ceph", "--connect-timeout=5", "osd", "stat", "--format=json")
	if err != nil {
		return err
	}
	var state struct {
		Up int `json:"num_up_osds"`
	}
	if err := json.Unmarshal(out, &state); err != nil {
		return err
	}
	if state.Up != 1 {
		return fmt.Errorf("%d of 1 OSDs are up", state.Up)
	}
	return nil
}

// radosGateway completes the spec of the gateway.
func (s *ObjectStore) radosGateway(spec *processSpec, ports []int) error {
	spec.args = s.cephArgs("-f", "-n", "client.rgw", "--rgw-frontends=beast endpoint="+address(ports[0]))
	return nil
}

func (s *ObjectStore) cephConf() string { return filepath.Join(s.dir, "ceph.conf") }

func (s *ObjectStore) cephArgs(args ...string) []string {
	return append([]string{"--conf=" + s.cephConf()}, args...)
}

// ceph runs a command of Ceph's to its end, and returns what it prints.
func (s *ObjectStore) ceph(ctx context.Context, name string, args ...string) ([]byte, error) {
	return s.command(ctx, nil, name, s.cephArgs(args...)...)
}

// command runs a program to its end, in the directory of the store. input may be nil.
func (s *ObjectStore) command(ctx context.Context, input io.Reader, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = s.dir, inheritedEnv(), input
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, said.String()) // not the arguments: keys are among them
	}
	return out, nil
}

// cephConfig has one copy of everything, and no sockets but those of loopback. What was deleted is
// collected after ten seconds: by default it lies for two hours, which whoever counts what the pool
// holds would take for a leak.
func (s *ObjectStore) cephConfig(monitor int) string {
	return fmt.Sprintf(`[global]
fsid = %[2]s
mon_host = v2:127.0.0.1:%[3]d
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
ms_bind_ipv6 = false
keyring = %[1]s/keyring
run_dir = %[1]s
crash_dir = %[1]s
admin_socket =
log_file =
log_to_stderr = true
debug_rocksdb = 0
debug_rgw = 0
mon_cluster_log_to_file = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data = %[1]s/mon
osd_data = %[1]s/osd
bluestore_block_size = 21474836480
osd_memory_target = 1073741824
[client.rgw]
rgw_data = %[1]s/rgw
rgw_enable_ops_log = false
rgw_enable_usage_log = false
rgw_gc_obj_min_wait = 10
rgw_gc_processor_period = 10
rgw_gc_processor_max_time = 10
`, s.dir, cephFSID, monitor)
}
