// Command chaos runs three operators on a real control plane and a real object store, has many
// clients use them and a nemesis inject faults, and then audits from outside whether all that was
// acknowledged is true.
//
//	go run ./hack/chaos -duration=5m -store=minio -seed=42
//
// The same seed gives the same plan of faults and the same intentions of the clients; how they
// fall together is the machine's doing. It exits with 1 if anything is violated, and keeps the logs
// then.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// settings are the flags.
type settings struct {
	duration time.Duration
	seed     uint64
	store    string
	clients  int
	logs     string
	printed  bool
	race     bool
	tags     string
}

// buildFlags are how the operators are built: with failpoints they read test options.
func (s settings) buildFlags() []string {
	flags := []string{"-tags", strings.TrimSuffix("failpoints,"+s.tags, ",")}
	if s.race {
		flags = append(flags, "-race")
	}
	return flags
}

// keptIn is the directory of the logs of a run that has failed.
func (s settings) keptIn() string {
	return filepath.Join(s.logs, fmt.Sprintf("%s-%d", s.store, s.seed))
}

// raceSetting is what the make target takes for -race.
func (s settings) raceSetting() string {
	if s.race {
		return " RACE=1"
	}
	return ""
}

func main() {
	var s settings
	flag.DurationVar(&s.duration, "duration", 5*time.Minute, "how long to inject faults; bringing up, healing and the audit come on top, and are bounded, too")
	flag.Uint64Var(&s.seed, "seed", 0, "of the plan; 0 for any")
	flag.StringVar(&s.store, "store", string(devcluster.StoreVersityGW), fmt.Sprintf("object store, one of %v", devcluster.DiskKinds()))
	flag.IntVar(&s.clients, "clients", 12, "how many clients, at most 100")
	flag.StringVar(&s.logs, "logs", filepath.Join("bin", "chaos"), "directory that keeps the logs when something is violated")
	flag.BoolVar(&s.printed, "plan", false, "print the plan of the seed, and do nothing")
	flag.BoolVar(&s.race, "race", false, "build the operators with the race detector, which needs a C compiler; each race is a violation")
	flag.StringVar(&s.tags, "tags", "", "build tags of the operators, such as seededrace or seededloss")
	flag.Parse()
	if !slices.Contains(devcluster.DiskKinds(), devcluster.StoreKind(s.store)) {
		fmt.Fprintf(os.Stderr, "chaos: no store %q; there are %v\n", s.store, devcluster.DiskKinds())
		os.Exit(2)
	}
	if s.seed == 0 {
		s.seed = uint64(rand.Uint32())
	}
	if s.printed {
		fmt.Print(newPlan(s.seed, s.duration, wild, meanGap))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// run makes a directory for everything, and leaves of it only the logs, and those only when
// something went wrong.
func run(ctx context.Context, s settings) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*s.duration+25*time.Minute, errors.New("the run does not end by itself"))
	defer cancel()
	dir, err := os.MkdirTemp("", "iotfile-chaos-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "logs", "chaos.log"))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, keepLogs(dir, s))
		}
	}()
	defer func() { _ = log.Close() }()
	w := &world{seed: s.seed, kind: devcluster.StoreKind(s.store), dir: dir, kept: s.keptIn(), files: &fileSet{}, report: newReport(log, os.Stdout)}
	defer func() { err = errors.Join(err, w.stop()) }()
	return w.run(ctx, s)
}

func (w *world) run(ctx context.Context, s settings) error {
	p := newPlan(s.seed, s.duration, wild, meanGap)
	w.report.say("seed %d, store %s: %d faults in %s, %d clients", s.seed, s.store, len(p), s.duration, s.clients)
	fmt.Fprint(w.report.log, p)
	if err := w.build(ctx, s.buildFlags()); err != nil {
		return err
	}
	if err := w.waitStore(ctx); err != nil {
		return err
	}
	before, err := w.warmUp(ctx)
	if err != nil {
		return err
	}
	front, err := newBalancer(w.replicas.urls)
	if err != nil {
		return err
	}
	defer front.stop()
	l, err := newLibrary(w, s.seed, 900, front.url())
	if err != nil {
		return err
	}
	w.report.say("the faults begin")
	w.live(ctx, s.duration, func(ctx context.Context) { w.injectAll(ctx, p) }, append(w.clients(s, 0), l))
	if err := w.livePublic(ctx, s); err != nil {
		return err
	}
	w.report.say("all is healed, and all clients are gone")
	if err := w.audit(ctx, before); err != nil {
		return err
	}
	if err := w.compareRaces(); err != nil {
		return err
	}
	title := fmt.Sprintf("%s, seed %d, %s", s.store, s.seed, s.duration)
	fmt.Fprint(io.MultiWriter(w.report.out, w.report.log), w.report.table(title), "| on the store's disk | ", w.onDisk, " |\n| at rest | ", w.atRest, " |\n\n")
	if n := len(w.report.violations); n > 0 {
		// Again, and last: of a run elsewhere there may be no more than the end of what it printed.
		fmt.Fprintln(w.report.out, strings.Join(w.report.violations, "\n\n")+"\n")
		return fmt.Errorf("%d violations; `make chaos STORE=%s SEED=%d DURATION=%s%s` runs the same plan again", n, s.store, s.seed, s.duration, s.raceSetting())
	}
	return nil
}

// warmUp has a client use each replica, and gives what they hold then.
func (w *world) warmUp(ctx context.Context) ([]holding, error) {
	c := newUser(w, w.seed, 999, nil)
	for range 4 {
		c.own(ctx)
	}
	return w.holdings(ctx)
}

// resident is whoever lives in the world: until faults is done, and what has been begun until hard
// is.
type resident interface {
	live(faults, hard context.Context)
}

// clients are the users of an act, each with a number of its own. Half of them share files.
func (w *world) clients(s settings, act int) []resident {
	var shared []*file
	for i := range 2 {
		shared = append(shared, w.files.add(&file{entity: fmt.Sprintf("%032x", 1), path: fmt.Sprintf("shared/%d-%d.bin", act, i), shared: true}))
	}
	var out []resident
	for i := range s.clients {
		var f *file
		if i%2 == 0 {
			f = shared[(i/2)%len(shared)]
		}
		out = append(out, newUser(w, s.seed, 100*act+i, f))
	}
	return out
}

// live has the clients live and the nemesis inject, and returns when both are done.
func (w *world) live(ctx context.Context, length time.Duration, inject func(context.Context), clients []resident) {
	faulty, over := context.WithTimeout(ctx, length)
	defer over()
	hard, cancel := context.WithTimeout(ctx, length+3*time.Minute)
	defer cancel()
	var living sync.WaitGroup
	for _, c := range clients {
		living.Go(func() { c.live(faulty, hard) })
	}
	inject(faulty)
	_ = sleep(faulty, length)
	w.report.say("the faults are over")
	living.Wait()
}

// keepLogs moves the logs to where the user finds them.
func keepLogs(dir string, s settings) error {
	to := s.keptIn()
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.CopyFS(to, os.DirFS(filepath.Join(dir, "logs"))); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "the logs are in", to)
	return nil
}
