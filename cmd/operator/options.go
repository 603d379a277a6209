package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/tracing"
)

// options are the flags of the operator.
type options struct {
	version          bool
	namespace        string
	roles            string
	security         security
	dataPlaneAddress string
	healthAddress    string
	metricsAddress   string
	leaderElect      bool
	leaseDuration    time.Duration

	webhookAddress     string
	webhookNames       string
	webhookClients     webhookClients
	manageCertificates bool

	maxPartsInFlight int
	waitTimeout      time.Duration
	progressInterval time.Duration
	drainDelay       time.Duration
	gracePeriod      time.Duration

	workers       int
	sweepInterval time.Duration
	timing        timing

	allowLocalEndpoints bool

	log zap.Options

	// tracing is what the environment asks for, nil for none.
	tracing *tracing.Tracing
}

// Roles of a process.
const (
	roleDataPlane  = "data-plane"
	roleController = "controller"
)

// parseFlags reads the command line. --kubeconfig is registered by controller-runtime.
func parseFlags() (*options, error) {
	o := &options{timing: usualTiming}
	flag.BoolVar(&o.version, "version", false, "Print the version, and end.")
	flag.StringVar(&o.namespace, "namespace", os.Getenv("POD_NAMESPACE"),
		"The operator's own namespace: the Secrets of FileStores and the leader's lease are there. Default: $POD_NAMESPACE.")
	flag.StringVar(&o.roles, "roles", roleDataPlane+","+roleController,
		"What this process does: data-plane serves the REST API, controller reconciles (one replica at a time).")
	o.security.bindFlags()
	flag.StringVar(&o.dataPlaneAddress, "data-plane-bind-address", "127.0.0.1:8080", "Where the REST API listens.")
	flag.StringVar(&o.healthAddress, "health-probe-bind-address", "127.0.0.1:8081", "Where /healthz and /readyz listen; \"0\" turns them off.")
	flag.StringVar(&o.metricsAddress, "metrics-bind-address", "127.0.0.1:8082", "Where /metrics listens; \"0\" turns it off.")
	flag.StringVar(&o.webhookAddress, "webhook-bind-address", "0",
		"Where the admission webhooks listen, on TLS; \"0\" turns them off. The certificate is that of the Secret "+webhookSecret+" in the operator's namespace.")
	flag.StringVar(&o.webhookNames, "webhook-names", "",
		"The names and addresses, separated by commas, that the API server calls the webhooks by. Default: iotfile-operator-webhook.NAMESPACE.svc.")
	o.webhookClients.bindFlags()
	flag.BoolVar(&o.manageCertificates, "manage-certificates", true,
		"Issue and renew the certificate of the webhooks, and have the webhook configurations trust it. False where somebody else does, such as cert-manager.")
	flag.BoolVar(&o.leaderElect, "leader-elect", true, "Reconcile only while holding the lease. Needed with more than one replica.")
	flag.DurationVar(&o.leaseDuration, "lease-duration", 15*time.Second,
		"How long after the last sign of a leader that has crashed another replica takes over. Whole seconds, 5 at least. "+
			"A leader that cannot reach the API server for about half as long stops, and its process ends when its parts in flight have.")
	flag.IntVar(&o.maxPartsInFlight, "max-parts-in-flight", dataplane.DefaultMaxPartsInFlight,
		"How many parts this replica streams at once; beyond it clients get 503 with Retry-After before they send a byte. "+
			"A namespace is refused earlier, as soon as it has three times as many as are free.")
	flag.DurationVar(&o.waitTimeout, "wait-timeout", dataplane.DefaultWaitTimeout,
		"How long a start (half a minute at most), completion, abort or search may keep its client waiting before it gets 503, to send the same request again. "+
			"Must be shorter than the time-outs of proxies between.")
	flag.DurationVar(&o.progressInterval, "progress-interval", dataplane.DefaultProgressInterval,
		"How old status.progress of an upload may get while parts arrive. Each time costs one list of its parts in object storage and one write in the cluster.")
	flag.DurationVar(&o.drainDelay, "drain-delay", 0,
		"How long to go on serving, not ready, after SIGTERM: until the load balancer has noticed.")
	flag.DurationVar(&o.gracePeriod, "grace-period", dataplane.DefaultGracePeriod,
		"How long parts in flight may take to finish after that. The pod's terminationGracePeriodSeconds must be longer than both.")
	flag.IntVar(&o.workers, "workers", 48, "How many uploads that somebody waits for are reconciled at once. One FileStore has three quarters of them at most; assemblies and aborts that take longer than a second go on beside them.")
	flag.DurationVar(&o.sweepInterval, "sweep-interval", 10*time.Minute,
		"How often object storage is searched for uploads that nobody owns. Less often where it lists uploads by exact key alone, and many are open.")
	flag.BoolVar(&o.allowLocalEndpoints, "allow-local-endpoints", false,
		"Let FileStores have endpoints on loopback and link-local addresses, and on those of the API server: for development on one machine, and for object storage on the node itself.")
	bindLogFlags(&o.log)
	flag.Parse()
	if o.version {
		return o, nil
	}
	return o, errors.Join(o.validate(), readTestOptions(o))
}

func (o *options) validate() error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: all options are flags", flag.Arg(0))
	}
	if o.namespace == "" {
		return errors.New("--namespace is missing, and POD_NAMESPACE is not set: name the namespace that holds the FileStores' Secrets")
	}
	if err := errors.Join(o.validateRoles(), o.security.validate(o.has(roleDataPlane)), o.validateWebhookAddress(), o.webhookClients.validate(), validateLease(o.leaseDuration), validateTimes(o.waitTimeout, o.progressInterval, o.sweepInterval)); err != nil {
		return err
	}
	if o.webhookNames == "" {
		o.webhookNames = "iotfile-operator-webhook." + o.namespace + ".svc"
	}
	if o.workers < 1 || o.maxPartsInFlight < 1 {
		return errors.New("--workers and --max-parts-in-flight must be at least 1")
	}
	return nil
}

func validateTimes(wait, progress, sweep time.Duration) error {
	if wait <= 0 || progress <= 0 || sweep <= 0 {
		return errors.New("--wait-timeout, --progress-interval and --sweep-interval must be positive")
	}
	return nil
}

func (o *options) validateRoles() error {
	for role := range strings.SplitSeq(o.roles, ",") {
		if role != roleDataPlane && role != roleController {
			return fmt.Errorf("--roles: %q is not a role: choose from %s and %s", role, roleDataPlane, roleController)
		}
	}
	return nil
}

func (o *options) validateWebhookAddress() error {
	if !o.webhooks() {
		return nil
	}
	_, port, err := net.SplitHostPort(o.webhookAddress)
	if err != nil {
		return fmt.Errorf("--webhook-bind-address: %w", err)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 {
		return fmt.Errorf("--webhook-bind-address: port %q is not a positive number", port)
	}
	return nil
}

// webhooks reports whether this process serves the admission webhooks.
func (o *options) webhooks() bool { return o.webhookAddress != "0" }

func (o *options) has(role string) bool {
	for r := range strings.SplitSeq(o.roles, ",") {
		if r == role {
			return true
		}
	}
	return false
}
