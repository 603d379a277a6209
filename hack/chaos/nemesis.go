package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// injectAll carries out the plan and returns when all of it is over and undone.
func (w *world) injectAll(ctx context.Context, p plan) {
	began := time.Now()
	var events sync.WaitGroup
	for i, e := range p {
		if sleep(ctx, e.at-time.Since(began)) != nil {
			break
		}
		events.Go(func() {
			fmt.Fprintf(w.report.log, "%s event %d: %s\n", time.Now().Format("15:04:05.000"), i, e)
			if err := w.inject(ctx, e, i); err != nil && ctx.Err() == nil {
				w.report.say("event %d (%s) failed: %v", i, e, err)
			}
		})
	}
	events.Wait()
}

// injectInTurn carries out a plan one event after the other: the next one comes when all has been
// well again for a while.
func (w *world) injectInTurn(ctx context.Context, p plan) {
	began := time.Now()
	for i, e := range p {
		if sleep(ctx, e.at-time.Since(began)) != nil {
			return
		}
		fmt.Fprintf(w.report.log, "%s mild event %d: %s\n", time.Now().Format("15:04:05.000"), i, e)
		err := w.inject(ctx, e, i)
		if err == nil {
			err = w.until(ctx, quiesceTimeout, func() error { return w.well(ctx) })
		}
		if err != nil && ctx.Err() == nil {
			w.report.say("event %d (%s): %v", i, e, err)
		}
		if sleep(ctx, quiet) != nil {
			return
		}
	}
}

// well says what is missing: all replicas run, and one leads.
func (w *world) well(ctx context.Context) error {
	leaders := 0.0
	for _, r := range w.replicas {
		metrics, err := scrape(ctx, r.current())
		if err != nil {
			return err
		}
		leaders += metrics["iotfile_leader"]
	}
	if leaders != 1 {
		return fmt.Errorf("%.0f replicas lead", leaders)
	}
	return nil
}

// inject carries out one event and undoes it.
func (w *world) inject(ctx context.Context, e event, number int) error {
	switch e.kind {
	case "kill", "terminate", "pause":
		return w.injectIntoProcess(ctx, e)
	case "restart store":
		return w.restart(ctx, &w.storeLock, e, func() error {
			w.gate.Lock()
			began := time.Now()
			err := w.store.StopServer()
			w.gate.Unlock()
			if err != nil {
				return err
			}
			_ = sleep(ctx, e.lasts)
			err = w.store.StartServer(context.WithoutCancel(ctx))
			fmt.Fprintf(w.report.log, "the store is back after %s\n", time.Since(began))
			return err
		})
	case "restart API server":
		return w.restart(ctx, &w.planeLock, e, func() error { return w.plane.RestartAPIServer(context.WithoutCancel(ctx), e.lasts) })
	case "restart etcd":
		return w.restart(ctx, &w.planeLock, e, func() error { return w.plane.RestartEtcd(context.WithoutCancel(ctx), e.lasts) })
	}
	w.report.event(e.kind)
	if e.target == store {
		w.storeLink.suffer(ctx, e, number)
	} else {
		w.planeLinks[e.target].suffer(ctx, e, number)
	}
	return nil
}

// injectIntoProcess deals with an operator. One that is being disturbed already is spared.
func (w *world) injectIntoProcess(ctx context.Context, e event) error {
	target, kind := e.target, e.kind
	if target == leader {
		target, kind = w.leader(ctx), kind+" of the leader"
	}
	if e.kind == "pause" && w.unguarded {
		w.report.event("pause left out")
		return nil
	}
	r := w.replicas[target]
	if !r.disturbed.TryLock() {
		w.report.event("spared")
		return nil
	}
	defer r.disturbed.Unlock()
	w.report.event(kind)
	if e.kind == "pause" {
		return r.pause(ctx, e.lasts)
	}
	return r.end(ctx, e.lasts, e.kind == "kill")
}

// leader is the replica whose metrics report that it reconciles, and the first if none does.
func (w *world) leader(ctx context.Context) int {
	for i, r := range w.replicas {
		if metrics, err := scrape(ctx, r.current()); err == nil && metrics["iotfile_leader"] == 1 {
			return i
		}
	}
	return 0
}

// restart has a server restarted, unless it is being restarted.
func (w *world) restart(ctx context.Context, lock *sync.Mutex, e event, do func() error) error {
	if ctx.Err() != nil || !lock.TryLock() {
		w.report.event("spared")
		return nil
	}
	defer lock.Unlock()
	w.report.event(e.kind)
	return do()
}
