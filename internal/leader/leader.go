package leader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Options say which lease is held, and how. All fields are required.
type Options struct {
	// Config reaches the API server.
	Config *rest.Config
	// Namespace and Name of the Lease. It is created if it is not there.
	Namespace, Name string
	// LeaseDuration is how long a lease that is not renewed keeps others away; a whole number of
	// seconds, since the API keeps those. RenewDeadline is how long a leader tries to renew before
	// it ends its term. RetryPeriod is how often it renews, and how often a candidate whose watch
	// does not work looks. See Validate.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
	// StopWithin is how long act takes to return once its context is done.
	StopWithin time.Duration
	// Log is told of the terms.
	Log logr.Logger
}

// Validate reports whether a leader that cannot renew has stopped before another one can take over:
// its last renewal can be RetryPeriod ago when it begins to fail, then it tries for RenewDeadline,
// then act takes StopWithin.
func (o Options) Validate() error {
	switch {
	case o.LeaseDuration < time.Second || o.LeaseDuration%time.Second != 0:
		return fmt.Errorf("the lease duration must be a whole number of seconds, at least 1, and is %s", o.LeaseDuration)
	case o.RetryPeriod <= 0 || float64(o.RenewDeadline) <= leaderelection.JitterFactor*float64(o.RetryPeriod):
		return fmt.Errorf("the renew deadline (%s) must be longer than %g times the retry period (%s), which must be positive",
			o.RenewDeadline, leaderelection.JitterFactor, o.RetryPeriod)
	case o.LeaseDuration <= o.RetryPeriod+o.RenewDeadline+o.StopWithin:
		return fmt.Errorf("the lease duration (%s) must be longer than retry period, renew deadline and %s together (%s): a leader that "+
			"cannot renew has to stop before another one takes over", o.LeaseDuration, o.StopWithin, o.RetryPeriod+o.RenewDeadline+o.StopWithin)
	default:
		return nil
	}
}

// Run competes for the lease until ctx is done, and calls act in each term. act's context is done
// when ctx is, or when the lease is lost; act has to return then. An error of act, or act's end
// before its context's, ends Run. Run returns nil when ctx is done; the lease is free then, unless
// the API server could not be reached.
func Run(ctx context.Context, opts Options, act func(context.Context) error) error {
	if err := opts.Validate(); err != nil {
		return fmt.Errorf("leader: %w", err)
	}
	c, err := newCampaign(opts, act)
	if err != nil {
		return fmt.Errorf("leader: %w", err)
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go c.watch(watching)
	for ctx.Err() == nil {
		if err := c.stand(ctx); err != nil {
			return err
		}
	}
	return nil
}

// campaign is what Run knows.
type campaign struct {
	opts     Options
	act      func(context.Context) error
	identity string
	leases   coordinationclient.LeaseInterface
	watched  coordinationclient.CoordinationV1Interface // without the time limit of leases
	elector  *leaderelection.LeaderElector
	// led gets the context of a term.
	led chan context.Context
	// changed gets the lease when others have changed it; only the last one counts.
	changed chan *coordinationv1.Lease
	// overdue is how often this candidate has tried to take a lease that has run out, and that
	// nobody was seen to take.
	overdue int
}

func newCampaign(opts Options, act func(context.Context) error) (*campaign, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this machine: %w", err)
	}
	c := &campaign{
		opts: opts, act: act, identity: host + "_" + string(uuid.NewUUID()),
		led: make(chan context.Context), changed: make(chan *coordinationv1.Lease, 1),
	}
	if c.watched, err = coordinationclient.NewForConfig(opts.Config); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	limited := rest.CopyConfig(opts.Config)
	limited.Timeout = max(time.Second, opts.RenewDeadline/2) // so that one request that hangs does not cost the lease
	client, err := coordinationclient.NewForConfig(limited)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c.leases = client.Leases(opts.Namespace)
	c.elector, err = leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: opts.Name,
		Lock: settledLock{&resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: opts.Namespace, Name: opts.Name}, Client: client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.identity},
		}},
		LeaseDuration: opts.LeaseDuration, RenewDeadline: opts.RenewDeadline, RetryPeriod: opts.RetryPeriod,
		// The elector would give the lease back while act is still stopping: see release.
		ReleaseOnCancel: false,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(term context.Context) {
				select {
				case c.led <- term:
				case <-term.Done():
				}
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("elector: %w", err)
	}
	return c, nil
}

// watch tells of changes of the lease by others, until ctx is done.
func (c *campaign) watch(ctx context.Context) {
	tell := func(obj any) {
		lease, ok := obj.(*coordinationv1.Lease)
		if !ok || holder(lease) == c.identity {
			return
		}
		select {
		case <-c.changed:
		default:
		}
		c.changed <- lease // the informer calls one handler at a time
	}
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, c.opts.Name)
	source := toolscache.NewListWatchFromClient(c.watched.RESTClient(), "leases", c.opts.Namespace, selector)
	informer := toolscache.NewSharedInformer(source, &coordinationv1.Lease{}, 0)
	_, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, obj any) { tell(obj) }, DeleteFunc: tell})
	if err != nil {
		c.opts.Log.Error(err, "cannot watch the lease: it is looked at from time to time")
		return
	}
	informer.RunWithContext(logr.NewContext(ctx, c.opts.Log.V(1)))
}

func holder(lease *coordinationv1.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

const (
	// ranOutSlack is added to a lease's duration before a candidate tries to take it: the elector
	// counts from its own look, a moment after the event.
	ranOutSlack = 50 * time.Millisecond
	// overdueRetry is how long a candidate waits for a lease that has run out before it tries
	// again, because that look was later still; each further try is given twice as long, since it
	// may be the API server that is slow.
	overdueRetry = 250 * time.Millisecond
)

// stand is a candidate until something happens to the lease, or the leader until its term ends.
func (c *campaign) stand(ctx context.Context) error {
	electing, stop := context.WithCancel(logr.NewContext(context.WithoutCancel(ctx), c.opts.Log.V(1)))
	elected := make(chan struct{})
	go func() {
		defer close(elected)
		c.elector.Run(electing)
	}()
	// The elector has looked at the lease when it is run, and knows from then how long it is good.
	// To run it anew is to have it look again.
	ranOut := time.NewTimer(c.patience())
	defer ranOut.Stop()
	var acted bool
	var err error
	select {
	case term := <-c.led:
		acted, err, c.overdue = true, c.lead(ctx, term), 0
	case <-c.changed:
		c.overdue = 0
	case <-ranOut.C:
		c.overdue++
	case <-ctx.Done():
	}
	stop()
	<-elected // it renews no more
	if acted || ctx.Err() != nil {
		c.release(context.WithoutCancel(ctx))
	}
	return err
}

// patience is how long a candidate stands before it has the elector look again.
func (c *campaign) patience() time.Duration {
	whole := c.opts.LeaseDuration + ranOutSlack
	const doublings = 8 // of a quarter of a second, more than a minute
	if c.overdue == 0 || c.overdue > doublings {
		return whole
	}
	return min(overdueRetry<<(c.overdue-1), whole)
}

// lead acts until ctx is done or the term is.
func (c *campaign) lead(ctx, term context.Context) error {
	acting, end := context.WithCancel(term)
	defer end()
	defer context.AfterFunc(ctx, end)()
	c.opts.Log.Info("holding the lease: acting", "identity", c.identity)
	returned := make(chan error, 1)
	go func() { returned <- c.act(acting) }()
	for {
		select {
		case err := <-returned:
			switch {
			case err != nil:
				return err
			case acting.Err() == nil:
				return errors.New("leader: what acts has ended by itself")
			case ctx.Err() == nil:
				c.opts.Log.Info("lost the lease: stopped acting, and a candidate again", "identity", c.identity)
			}
			return nil
		case <-c.changed:
			// The event may be older than the term.
			if lease, err := c.leases.Get(acting, c.opts.Name, metav1.GetOptions{}); err == nil && holder(lease) != c.identity {
				end()
			}
		}
	}
}

// releaseTimeout bounds the write that gives the lease back. If it fails, the lease runs out.
const releaseTimeout = 3 * time.Second

// release gives the lease back if it is still this candidate's. It writes with the version that it
// has read, and not through the elector's lock, whose memory of the lease must not change behind
// the elector's back.
func (c *campaign) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	for range 3 { // a renewal may be on its way
		lease, err := c.leases.Get(ctx, c.opts.Name, metav1.GetOptions{})
		if err != nil || holder(lease) != c.identity {
			return
		}
		now := metav1.NowMicro()
		one, none := int32(1), ""
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = &none, &one
		lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
		if _, err := c.leases.Update(ctx, lease, metav1.UpdateOptions{}); err == nil {
			c.opts.Log.Info("gave the lease back", "identity", c.identity)
			return
		}
	}
}
