package devcluster

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// containerdSocket is where containerd listens. It is in the mount namespace's own /run, as are the
// sockets of its shims, whose place cannot be chosen.
const containerdSocket = "/run/containerd/containerd.sock"

// containerdConfig is that of containerd 1.6, which later ones read, too. Without the capability to
// change the killing order (restrict_oom_score_adj) it must not try.
const containerdConfig = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "` + containerdSocket + `"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`

// networkConfig gives each pod a link of its own to the node, which routes. No bridge: then nothing
// depends on bridged packets being seen by iptables, which is a setting of the kernel.
const networkConfig = `{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [{
    "type": "ptp",
    "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": "` + podRange + `"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }]
}
`

func (n *Node) startContainerd(ctx context.Context) error {
	program, err := exec.LookPath("containerd")
	if err != nil {
		return err
	}
	if _, err := n.writeConfig(filepath.Join("cni", "pods.conflist"), networkConfig); err != nil {
		return err
	}
	config, err := n.writeConfig("containerd.toml",
		fmt.Sprintf(containerdConfig, n.opts.SandboxImage, n.opts.CNIPlugins, filepath.Join(n.opts.Dir, "cni")))
	if err != nil {
		return err
	}
	p, err := n.run("containerd", program, "--config="+config)
	if err != nil {
		return err
	}
	return p.waitReady(ctx, nodeTimeout, func(ctx context.Context) error {
		_, err := n.Ctr(ctx, "version")
		return err
	})
}
