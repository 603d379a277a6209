package devcluster

// podRange is where pods have their addresses. It does not overlap with ServiceRange.
const podRange = "10.244.0.0/24"

// proxyHealth is where kube-proxy says how it is.
const proxyHealth = "127.0.0.1:10256"

// proxyConfig is kube-proxy's configuration. The zeros leave what is the whole kernel's, such as
// the limit of tracked connections and the killing order, as it is.
const proxyConfig = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection:
  kubeconfig: %s
hostnameOverride: %s
mode: iptables
clusterCIDR: %s
healthzBindAddress: ` + proxyHealth + `
metricsBindAddress: 127.0.0.1:10249
oomScoreAdj: 0
conntrack:
  maxPerCore: 0
  min: 0
  tcpEstablishedTimeout: 0s
  tcpCloseWaitTimeout: 0s
`

// kubeletConfig is the kubelet's configuration. Pods know no names but the cluster's: a name server
// of the machine's may be out of reach, and makes look-ups hang. It neither evicts pods nor
// collects images when the machine's disk, which is not the node's alone, is full; it lives with
// the first version of cgroups; and it does not ask for a place in the killing order, which takes a
// capability that containers and small machines often withhold.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
authentication:
  anonymous:
    enabled: false
  x509:
    clientCAFile: %[2]s
  webhook:
    enabled: true
authorization:
  mode: Webhook
tlsCertFile: %[3]s
tlsPrivateKeyFile: %[4]s
cgroupRoot: %[5]s
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
containerRuntimeEndpoint: unix://` + containerdSocket + `
volumePluginDir: %[6]s
resolvConf: ""
clusterDomain: cluster.local
clusterDNS: [%[7]s]
imageGCHighThresholdPercent: 100
evictionHard:
  memory.available: 1Mi
  nodefs.available: 0%%
  nodefs.inodesFree: 0%%
  imagefs.available: 0%%
  imagefs.inodesFree: 0%%
containerLogMaxSize: 256Mi
`
