package devcluster

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tool is the name of a program that this project pins in hack/tools and can get by itself.
type Tool string

// The tools. The first four make up the control plane, the fifth is the API server of the lowest
// Kubernetes that is supported. The next four are what a node needs besides, then come four object
// stores; the rest are for developing.
const (
	Etcd                  Tool = "etcd"
	KubeAPIServer         Tool = "kube-apiserver"
	KubeControllerManager Tool = "kube-controller-manager"
	Kubectl               Tool = "kubectl"
	OldestKubeAPIServer   Tool = "kube-apiserver-oldest"
	KubeScheduler         Tool = "kube-scheduler"
	Kubelet               Tool = "kubelet"
	KubeProxy             Tool = "kube-proxy"
	CoreDNS               Tool = "coredns"
	VersityGW             Tool = "versitygw"
	MinIO                 Tool = "minio"
	SeaweedFS             Tool = "weed"
	Rclone                Tool = "rclone"
	ControllerGen         Tool = "controller-gen"
	Kustomize             Tool = "kustomize"
	Helm                  Tool = "helm"
	GolangCILint          Tool = "golangci-lint"
	SetupEnvtest          Tool = "setup-envtest"
	Tusd                  Tool = "tusd"
	Benchstat             Tool = "benchstat"
	APIDiff               Tool = "apidiff"
	PrometheusServer      Tool = "prometheus"
	Promtool              Tool = "promtool"
	DockerLint            Tool = "dockerlint"
	ActionLint            Tool = "actionlint"
	Kind                  Tool = "kind"
	Govulncheck           Tool = "govulncheck"
	SBOM                  Tool = "cyclonedx-gomod"
	Registry              Tool = "registry"
)

// toolSource says how a tool is built.
type toolSource struct {
	module      string                                 // directory of the tools module, under hack/tools
	pkg         string                                 // main package, "." for the module's own
	versionFrom string                                 // module whose required version is the tool's
	tags        string                                 // build tags
	versionVars func(version string) map[string]string // linker variables
	envtest     bool                                   // among the binaries that envtest publishes and $KUBEBUILDER_ASSETS holds
	released    bool                                   // among the binaries that Kubernetes publishes with each release
	cost        string                                 // how long a cold build takes on two cores
}

var toolSources = map[Tool]toolSource{
	Etcd: {
		module: "controlplane", pkg: "go.etcd.io/etcd/server/v3", versionFrom: "go.etcd.io/etcd/server/v3",
		tags: controlPlaneTags, envtest: true, cost: "2 minutes",
	},
	KubeAPIServer: {
		module: "controlplane", pkg: "k8s.io/kubernetes/cmd/kube-apiserver", versionFrom: "k8s.io/kubernetes",
		tags: controlPlaneTags, versionVars: kubernetesVersionVars, envtest: true, cost: "7 minutes",
	},
	KubeControllerManager: {
		module: "controlplane", pkg: "k8s.io/kubernetes/cmd/kube-controller-manager", versionFrom: "k8s.io/kubernetes",
		tags: controlPlaneTags, versionVars: kubernetesVersionVars, released: true, cost: "4 minutes",
	},
	Kubectl: {
		module: "controlplane", pkg: "k8s.io/kubernetes/cmd/kubectl", versionFrom: "k8s.io/kubernetes",
		tags: controlPlaneTags, versionVars: kubernetesVersionVars, envtest: true, cost: "1 minute",
	},
	OldestKubeAPIServer: {
		module: "oldest", pkg: "k8s.io/kubernetes/cmd/kube-apiserver", versionFrom: "k8s.io/kubernetes",
		versionVars: kubernetesVersionVars, cost: "7 minutes",
	},
	KubeScheduler: {
		module: "controlplane", pkg: "k8s.io/kubernetes/cmd/kube-scheduler", versionFrom: "k8s.io/kubernetes",
		tags: controlPlaneTags, versionVars: kubernetesVersionVars, cost: "1 minute",
	},
	Kubelet: {
		module: "controlplane", pkg: "k8s.io/kubernetes/cmd/kubelet", versionFrom: "k8s.io/kubernetes",
		tags: controlPlaneTags, versionVars: kubernetesVersionVars, cost: "2 minutes",
	},
	KubeProxy: {
		module: "controlplane", pkg: "k8s.io/kubernetes/cmd/kube-proxy", versionFrom: "k8s.io/kubernetes",
		tags: controlPlaneTags, versionVars: kubernetesVersionVars, cost: "1 minute",
	},
	CoreDNS: {
		module: "coredns", pkg: ".", versionFrom: "github.com/coredns/coredns", cost: "2 minutes",
	},
	VersityGW: {
		module: "versitygw", pkg: "github.com/versity/versitygw/cmd/versitygw", versionFrom: "github.com/versity/versitygw",
		cost: "2 minutes",
	},
	MinIO: {
		module: "minio", pkg: "github.com/minio/minio", versionFrom: "github.com/minio/minio", cost: "4 minutes",
	},
	SeaweedFS: {
		module: "seaweedfs", pkg: "github.com/seaweedfs/seaweedfs/weed", versionFrom: "github.com/seaweedfs/seaweedfs", cost: "6 minutes",
	},
	Rclone: {
		module: "rclone", pkg: ".", versionFrom: "github.com/rclone/rclone", cost: "1 minute",
	},
	ControllerGen: {
		module: "codegen", pkg: "sigs.k8s.io/controller-tools/cmd/controller-gen", versionFrom: "sigs.k8s.io/controller-tools",
		cost: "1 minute",
	},
	Kustomize: {
		module: "codegen", pkg: "sigs.k8s.io/kustomize/kustomize/v5", versionFrom: "sigs.k8s.io/kustomize/kustomize/v5",
		cost: "1 minute",
	},
	Helm: {
		module: "helm", pkg: "helm.sh/helm/v4/cmd/helm", versionFrom: "helm.sh/helm/v4", cost: "2 minutes",
	},
	GolangCILint: {
		module: "lint", pkg: ".", versionFrom: "github.com/golangci/golangci-lint/v2", cost: "4 minutes",
	},
	SetupEnvtest: {
		module: "envtest", pkg: "sigs.k8s.io/controller-runtime/tools/setup-envtest",
		versionFrom: "sigs.k8s.io/controller-runtime/tools/setup-envtest", cost: "1 minute",
	},
	Tusd: {
		module: "tusd", pkg: "github.com/tus/tusd/v2/cmd/tusd", versionFrom: "github.com/tus/tusd/v2", cost: "3 minutes",
	},
	Benchstat: {
		module: "benchstat", pkg: "golang.org/x/perf/cmd/benchstat", versionFrom: "golang.org/x/perf", cost: "1 minute",
	},
	APIDiff: {
		module: "apidiff", pkg: "golang.org/x/exp/cmd/apidiff", versionFrom: "golang.org/x/exp", cost: "1 minute",
	},
	PrometheusServer: {
		module: "prometheus", pkg: "github.com/prometheus/prometheus/cmd/prometheus", versionFrom: "github.com/prometheus/prometheus",
		tags: prometheusTags, cost: "4 minutes",
	},
	Promtool: {
		module: "prometheus", pkg: "github.com/prometheus/prometheus/cmd/promtool", versionFrom: "github.com/prometheus/prometheus",
		tags: prometheusTags, cost: "4 minutes",
	},
	DockerLint: {
		module: "dockerlint", pkg: ".", versionFrom: "github.com/moby/buildkit", cost: "1 minute",
	},
	ActionLint: {
		module: "actionlint", pkg: "github.com/rhysd/actionlint/cmd/actionlint", versionFrom: "github.com/rhysd/actionlint", cost: "1 minute",
	},
	Govulncheck: {
		module: "vulncheck", pkg: "golang.org/x/vuln/cmd/govulncheck", versionFrom: "golang.org/x/vuln", cost: "1 minute",
	},
	SBOM: {
		module: "sbom", pkg: "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod", versionFrom: "github.com/CycloneDX/cyclonedx-gomod", cost: "1 minute",
	},
	Registry: {
		module: "registry", pkg: ".", versionFrom: "github.com/distribution/distribution/v3", cost: "1 minute",
	},
	Kind: {
		module: "kind", pkg: "sigs.k8s.io/kind", versionFrom: "sigs.k8s.io/kind", cost: "1 minute",
	},
}

// controlPlaneTags leave test code and gRPC tracing out of the control plane: smaller binaries,
// faster links.
const controlPlaneTags = "notest,grpcnotrace"

// prometheusTags leave all ways out to find targets in clouds, and so their SDKs.
const prometheusTags = "remove_all_sd"

// kubernetesVersionVars tells the Kubernetes binaries their version. Without it `kubectl version`
// fails on the server's.
func kubernetesVersionVars(version string) map[string]string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	vars := map[string]string{}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		vars[pkg+".gitVersion"] = version
		vars[pkg+".gitMajor"] = major
		vars[pkg+".gitMinor"] = minor
		vars[pkg+".gitTreeState"] = "clean"
	}
	return vars
}

// AllTools returns the name of every tool, sorted.
func AllTools() []Tool {
	return slices.Sorted(maps.Keys(toolSources))
}

// FindTools returns the absolute path of each of the tools, in the order asked for. A tool that is
// not on the machine is downloaded or built, which can take ten minutes and is reported to log
// (nil: silently). It is safe to call from several processes at once: one builds, the others wait
// for it. With IOTFILE_TOOLS=none in the environment it fails: by that `make unit` holds that the
// tests that it runs need none. With IOTFILE_KUBERNETES=oldest the API server is that of the lowest
// Kubernetes that is supported.
func FindTools(ctx context.Context, log io.Writer, tools ...Tool) ([]string, error) {
	if os.Getenv("IOTFILE_TOOLS") == "none" {
		return nil, fmt.Errorf("%v are needed, but IOTFILE_TOOLS is none: leave this test out with -short", tools)
	}
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	finder := toolFinder{root: root, cache: cache, log: orDiscard(log)}
	paths := make([]string, 0, len(tools))
	for _, tool := range tools {
		path, err := finder.find(ctx, tool)
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", tool, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// FindTool is FindTools for one tool.
func FindTool(ctx context.Context, log io.Writer, tool Tool) (string, error) {
	paths, err := FindTools(ctx, log, tool)
	if err != nil {
		return "", err
	}
	return paths[0], nil
}

// toolFinder is one look for tools; it remembers within it that a download has failed.
type toolFinder struct {
	root, cache    string
	log            io.Writer
	announced      bool
	downloadFailed bool
}

// find goes from the cheapest source to the dearest.
func (f *toolFinder) find(ctx context.Context, tool Tool) (string, error) {
	if tool == KubeAPIServer && os.Getenv("IOTFILE_KUBERNETES") == "oldest" {
		tool = OldestKubeAPIServer
	}
	source, ok := toolSources[tool]
	if !ok {
		return "", fmt.Errorf("no such tool; there are %v", AllTools())
	}
	if source.envtest {
		if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
			return executable(filepath.Join(assets, string(tool)))
		}
	}
	build, err := newToolBuild(f.root, f.cache, tool, source)
	if err != nil {
		return "", err
	}
	if path, err := executable(build.path()); err == nil {
		return path, nil
	}
	if path, err := f.downloaded(ctx, tool, build.version); path != "" || err != nil {
		return path, err
	}
	if !f.announced && source.module == "controlplane" {
		f.announced = true
		fmt.Fprintf(f.log, "The control plane is not on this machine yet. Building it takes 5 to 10 minutes on two cores, once; it is then kept in\n%s.\n", f.cache)
	}
	return build.run(ctx, f.log)
}

// downloaded returns a ready-made binary of the tool, "" when there is none to be had.
func (f *toolFinder) downloaded(ctx context.Context, tool Tool, version string) (string, error) {
	switch source := toolSources[tool]; {
	case source.envtest:
		return f.envtestBinary(ctx, tool, version)
	case source.released:
		return f.releasedBinary(ctx, tool, version)
	}
	return "", nil
}

// executable returns path made absolute when it is a file that may be run.
func executable(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", fmt.Errorf("%s is no program", path)
	}
	return path, nil
}
