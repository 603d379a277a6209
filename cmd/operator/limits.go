package main

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
)

// limits bound what clients and object storage may take of the data plane's time.
type limits struct {
	maxConnections   int
	maxSearches      int
	maxStarts        int
	minBodyRate      int64
	bodyGrace        time.Duration
	storeIdleTimeout time.Duration
	waitTimeout      time.Duration
	progressInterval time.Duration
}

func (l *limits) bindFlags() {
	flag.IntVar(&l.maxConnections, "max-connections", 0,
		"How many connections of clients this replica has open at once. Beyond it idle ones make room, and those whose callers have shown no good token after 2 s; "+
			"more wait for up to 10 s. Default: one for each 896 KiB of the memory limit (GOMEMLIMIT), but two for each of --max-parts-in-flight; 16384 without a memory limit.")
	flag.IntVar(&l.maxSearches, "max-searches", 16, "How many searches this replica runs at once; more wait for up to ten seconds, and get 503 with Retry-After then. A FileStore, and a namespace, is refused earlier, as with --max-parts-in-flight.")
	flag.IntVar(&l.maxStarts, "max-starts", 64, "How many starts of uploads are under way on this replica at once; more wait, and are shared out, in the same way.")
	flag.Int64Var(&l.minBodyRate, "min-body-rate", 1<<10,
		"How many bytes per second a client must send of a body on average, or get 408: one that trickles would hold its place for ever. 0 demands nothing.")
	flag.DurationVar(&l.bodyGrace, "min-body-rate-grace", 30*time.Second,
		"How long a client may be waited for before --min-body-rate counts.")
	flag.DurationVar(&l.storeIdleTimeout, "store-idle-timeout", time.Minute,
		"How long object storage may take no byte of a body, or not answer after the last one, before the client gets 504.")
	flag.DurationVar(&l.waitTimeout, "wait-timeout", 50*time.Second,
		"How long a start (half a minute at most), completion, abort or search may keep its client waiting before it gets 503, to send the same request again. "+
			"Must be shorter than the time-outs of proxies between.")
	flag.DurationVar(&l.progressInterval, "progress-interval", 15*time.Second,
		"How old status.progress of an upload may get while parts arrive. Each time costs one list of its parts in object storage and one write in the cluster.")
}

func (l *limits) validate() error {
	if l.maxSearches < 1 || l.maxStarts < 1 {
		return errors.New("--max-searches and --max-starts must be at least 1")
	}
	if l.maxConnections < 0 {
		return errors.New("--max-connections must not be negative: 0 takes the default")
	}
	if l.minBodyRate < 0 {
		return errors.New("--min-body-rate must not be negative: 0 demands nothing")
	}
	for name, d := range map[string]time.Duration{
		"min-body-rate-grace": l.bodyGrace, "store-idle-timeout": l.storeIdleTimeout, "wait-timeout": l.waitTimeout,
		"progress-interval": l.progressInterval,
	} {
		if d <= 0 {
			return fmt.Errorf("--%s must be positive", name)
		}
	}
	return nil
}

// apply sets what the limits say. In dataplane.Options a rate of 0 stands for the default, and a
// negative one demands nothing.
func (l *limits) apply(opts *dataplane.Options) {
	opts.MaxConnections = l.maxConnections
	opts.MaxSearches, opts.MaxStarts, opts.MinBodyRate, opts.BodyGrace, opts.StoreIdleTimeout = l.maxSearches, l.maxStarts, l.minBodyRate, l.bodyGrace, l.storeIdleTimeout
	if l.minBodyRate == 0 {
		opts.MinBodyRate = -1
	}
	opts.ProgressInterval = l.progressInterval
	opts.StartTimeout = min(l.waitTimeout, 30*time.Second)
	opts.CompleteTimeout, opts.AbortTimeout, opts.SearchTimeout = l.waitTimeout, l.waitTimeout, l.waitTimeout
}
