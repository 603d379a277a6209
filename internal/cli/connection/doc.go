// Package connection finds the REST API for a command line, and a token for it: from flags, the
// environment, the kubeconfig, and what a pod has.
//
// Start with flags.go; dial.go has the ways to the server, token.go those to a token,
// serviceaccount.go the one that renews it.
package connection
