// Command coredns is CoreDNS with the plugins alone that a cluster's own names need: the full one
// brings the clients of three clouds, which take longer to compile than all the rest.
package main

import (
	"github.com/coredns/coredns/coremain"

	// Each registers itself under the name of its directory.
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	coremain.Run()
}
