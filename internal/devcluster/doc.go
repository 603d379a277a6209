// Package devcluster is the embedded control plane and object store: a real kube-apiserver, etcd,
// kube-controller-manager and S3 server as plain processes on loopback, without root, containers or
// a network. `make run` and the tests use it.
//
// What it offers, from the smallest part to the whole:
//
//   - [FindTools] gets the binaries: from $KUBEBUILDER_ASSETS, from the cache, by download, or by
//     building them from the pinned modules in hack/tools.
//   - [StartControlPlane] gives an API server with RBAC, service-account tokens and the CRDs
//     installed.
//   - [StartNode] makes a cluster of it that runs pods, as root in namespaces of its own: see
//     hack/cluster.
//   - [StartVersityGW] and [StartMinIO] give an object store.
//   - [BuildOperator] and [StartOperator] run the operator's binary as a process, as often side by
//     side as wanted.
//   - [Up] is all of it, with a bucket and a default FileStore: the whole of `make run`.
//
// Three rules hold for everything here. State lives in the directory that the caller names, and a
// second start on the same directory finds it again. Whoever starts a thing stops it; should the
// caller die first, the kernel kills what it had started. Servers listen on 127.0.0.1 only, but for
// those of a node.
package devcluster
