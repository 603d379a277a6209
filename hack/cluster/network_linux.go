package main

import (
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// What the node is called, and the address that it and the API server have in the network
// namespace. It is nowhere else: nothing leads out.
const (
	nodeName    = "iotfile-node"
	nodeAddress = "10.210.0.1"
)

// setUpNetwork gives the network namespace a loopback with the node's address on it, and has it
// route between pods.
func setUpNetwork() error {
	if err := unix.Sethostname([]byte(nodeName)); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"address", "add", nodeAddress + "/32", "dev", "lo"},
		// For the API server, which calls webhooks by their Services' addresses: iptables turns
		// them into those of pods, but only of packets that have some way to go.
		{"route", "add", devcluster.ServiceRange, "dev", "lo", "src", nodeAddress},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w\n%s", args, err, out)
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
}
