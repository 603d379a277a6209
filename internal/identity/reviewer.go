package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	authenticationv1 "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Group is the API group of the resources that a SubjectAccessReview asks for. RBAC grants rights
// on ResourceFiles, which no API serves, like any other.
const Group = v1alpha1.GroupName

// DefaultAudience is what tokens are for unless Options say otherwise.
const DefaultAudience = v1alpha1.GroupName

// Defaults of Options.
const (
	// DefaultGrantTTL is that of GrantTTL.
	DefaultGrantTTL = 2 * time.Minute
	// defaultRefusalTTL is that of RefusalTTL: a client that tries again and again costs the API
	// server one review in that time, and a right that was just given is seen soon.
	defaultRefusalTTL = 10 * time.Second
	// defaultTimeout is that of Timeout.
	defaultTimeout = 10 * time.Second
)

// Options configure a Reviewer.
type Options struct {
	// Config reaches the API server, as somebody who may create tokenreviews and
	// subjectaccessreviews; required.
	Config *rest.Config
	// Audiences are what a token may be for; one is enough. Default DefaultAudience.
	Audiences []string
	// ClientCAFile is a file of PEM certificates. Who presents a client certificate that one of
	// them has signed is the user of its common name, in the groups of its organizations. The file
	// is read again when it changes, while Start runs. Default none: certificates are ignored.
	ClientCAFile string
	// GrantTTL is for how long a good token and a right are remembered, and so for how long both go
	// on when they are taken back or the API server is down; RefusalTTL for how long a bad token
	// and a missing right are. Defaults DefaultGrantTTL, 10 s.
	GrantTTL, RefusalTTL time.Duration
	// CacheSize is how many tokens, and how many rights, are remembered of each: good and bad. The
	// least recently used go first. Default 16384.
	CacheSize int
	// MaxReviews is how many tokens, and how many rights, the API server is asked about at once;
	// more wait. Default 32.
	MaxReviews int
	// Timeout is how long a request waits for the API server's answer. Default 10 s.
	Timeout time.Duration
	// Registerer gets the metrics. Default none.
	Registerer prometheus.Registerer
	// Clock tells how old an answer is. Default the real one.
	Clock clock.PassiveClock
}

func (o *Options) setDefaults() {
	if len(o.Audiences) == 0 {
		o.Audiences = []string{DefaultAudience}
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{{&o.GrantTTL, DefaultGrantTTL}, {&o.RefusalTTL, defaultRefusalTTL}, {&o.Timeout, defaultTimeout}} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 16384
	}
	if o.MaxReviews <= 0 {
		o.MaxReviews = 32
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
}

// backoff is how a review is repeated that the API server has no time for.
func (o *Options) backoff() wait.Backoff {
	return wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 3}
}

// Reviewer is the data plane's Authenticator and Authorizer. It is a manager.Runnable. Safe for
// concurrent use.
type Reviewer struct {
	requests authenticator.Request
	rights   authorizer.Authorizer
	api      rest.Interface // for readiness
	memory   *memory[struct{}]
	clientCA *dynamiccertificates.DynamicFileCAContent // nil without
}

// New makes a Reviewer. It asks nothing of the API server yet. Errors: ClientCAFile cannot be read,
// or Config is not usable.
func New(opts Options) (*Reviewer, error) {
	opts.setDefaults()
	reviews := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "iotfile_auth_reviews_total",
		Help: "Questions to the API server: about tokens, and about access rights, by review and result. Answers from memory are not counted.",
	}, []string{"review", "result"})
	for _, review := range []string{"token", "access"} {
		for _, result := range []string{resultGranted, resultRefused, resultError, resultNotAsked} {
			reviews.WithLabelValues(review, result) // from the start, or the first failure would be no increase
		}
	}
	if opts.Registerer != nil {
		if err := opts.Registerer.Register(reviews); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	authentication, err := authenticationv1.NewForConfig(opts.Config)
	if err != nil {
		return nil, fmt.Errorf("token reviews: %w", err)
	}
	authorization, err := authorizationv1.NewForConfig(opts.Config)
	if err != nil {
		return nil, fmt.Errorf("access reviews: %w", err)
	}
	byToken, err := newTokens(&opts, authentication, newMemory[*authenticator.Response](&opts, reviews.MustCurryWith(prometheus.Labels{"review": "token"})))
	if err != nil {
		return nil, err
	}
	r := &Reviewer{api: authorization.RESTClient(), memory: newMemory[struct{}](&opts, reviews.MustCurryWith(prometheus.Labels{"review": "access"}))}
	backoff := opts.backoff()
	r.rights, err = authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: authorization, WebhookRetryBackoff: &backoff,
		AllowCacheTTL: -1, DenyCacheTTL: -1, // never from its own cache: see the package's comment
	}.New()
	if err != nil {
		return nil, fmt.Errorf("access reviews: %w", err)
	}
	methods := []authenticator.Request{bearertoken.New(byToken)}
	if opts.ClientCAFile != "" {
		if r.clientCA, err = dynamiccertificates.NewDynamicCAContentFromFile("client-ca", opts.ClientCAFile); err != nil {
			return nil, fmt.Errorf("client certificates: %w", err)
		}
		methods = append([]authenticator.Request{x509.NewDynamic(r.clientCA.VerifyOptions, x509.CommonNameUserConversion)}, methods...)
	}
	r.requests = group.NewAuthenticatedGroupAdder(union.New(methods...))
	return r, nil
}

// Start implements manager.Runnable: it reads the file of client CAs again whenever it changes,
// until ctx is done.
func (r *Reviewer) Start(ctx context.Context) error {
	if r.clientCA != nil {
		r.clientCA.Run(ctx, 1)
	}
	<-ctx.Done()
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica serves.
func (r *Reviewer) NeedLeaderElection() bool { return false }

// Authenticate finds out who sent a request: by a client certificate, where that is
// configured, else by a bearer token.
func (r *Reviewer) Authenticate(req *http.Request) (Identity, error) {
	if err := checkCredentials(req.Header); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	response, ok, err := r.requests.AuthenticateRequest(req)
	switch {
	case errors.Is(err, errNoReview):
		return Identity{}, err
	case err != nil:
		return Identity{}, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	case !ok:
		return Identity{}, ErrUnauthenticated
	}
	who := response.User
	id := Identity{Name: who.GetName(), UID: who.GetUID(), Groups: who.GetGroups(), Extra: who.GetExtra()}
	if namespace, _, err := serviceaccount.SplitUsername(id.Name); err == nil {
		id.Namespace = namespace
	}
	return id, nil
}

// Authorize reports whether id has a right.
func (r *Reviewer) Authorize(ctx context.Context, id Identity, right Right) error {
	question := authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: id.Name, UID: id.UID, Groups: id.Groups, Extra: id.Extra},
		Verb: right.Verb, Namespace: right.Namespace, APIGroup: Group, APIVersion: "*", Resource: right.Resource, Name: right.Name, ResourceRequest: true,
	}
	key, err := json.Marshal([]any{id, right}) // all that the answer depends on
	if err != nil {
		return fmt.Errorf("%w: %w", errNoReview, err)
	}
	v, err := r.memory.ask(ctx, string(key), func(ctx context.Context) (verdict[struct{}], error) { return r.review(ctx, question) })
	switch {
	case err != nil:
		return err
	case v.granted:
		return nil
	case v.reason != "":
		return fmt.Errorf("%w: %s", ErrForbidden, v.reason)
	}
	return ErrForbidden
}

// review asks for a right. A refusal is believed of an API server that was ready before it was
// asked: one that has just started may not have read all roles and bindings yet, and grants nothing
// of the others.
func (r *Reviewer) review(ctx context.Context, question authorizer.Attributes) (verdict[struct{}], error) {
	ask := func() (verdict[struct{}], error) {
		decision, reason, err := r.rights.Authorize(ctx, question)
		return verdict[struct{}]{granted: decision == authorizer.DecisionAllow, reason: reason}, err
	}
	v, err := ask()
	if err != nil || v.granted {
		return v, err
	}
	if err := r.readiness(ctx); err != nil {
		return verdict[struct{}]{}, fmt.Errorf("it refuses, and is not ready: %w", err)
	}
	return ask()
}

// readiness reports whether the API server is ready. Where that is not told to everybody, as it is
// unless somebody has taken the right away, it counts as ready.
func (r *Reviewer) readiness(ctx context.Context) error {
	status := 0
	err := r.api.Get().AbsPath("/readyz").Do(ctx).StatusCode(&status).Error()
	if status == http.StatusForbidden || status == http.StatusNotFound {
		return nil
	}
	return err
}
