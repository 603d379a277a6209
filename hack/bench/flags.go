package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parseSettings reads the flags.
func parseSettings(args []string) (settings, error) {
	var s settings
	var stores, names, parallel, traffic string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&stores, "stores", "", "object stores behind all ways: versitygw, minio (not with TLS to the store), null (takes bytes and forgets them)")
	flags.StringVar(&names, "ways", "", "ways to the store, or all: "+strings.Join(wayNames(), ", "))
	flags.IntVar(&s.mebibyte, "mib", 0, "MiB to send in each measurement")
	flags.IntVar(&s.part, "part", 0, "MiB of a part, at least 5")
	flags.StringVar(&parallel, "parallel", "", "parts sent at once, each to an upload of its own; a list")
	flags.IntVar(&s.rounds, "rounds", 0, "measurements of each kind, in turn; the median counts")
	flags.StringVar(&traffic, "traffic", "plain", "how bytes come, a list, or all: "+strings.Join(trafficNames(), ", "))
	flags.StringVar(&s.out, "out", "", "directory whose benchmarks.md and benchmarks.svg are brought up to date")
	flags.StringVar(&s.operator, "operator-args", "", "further flags of the operator")
	flags.IntVar(&s.uploads, "uploads", 10000, "uploads that expire in one minute, or at once, or whose calls are counted")
	flags.DurationVar(&s.within, "within", 8*time.Minute, "how long uploads are made, at most; the first expires shortly after")
	flags.DurationVar(&s.phase, "phase", 40*time.Second, "how long each flood lasts, or an operator is left at rest before its memory is read")
	flags.StringVar(&s.only, "only", "", "leave out all floods whose names do not hold this, and the public client")
	flags.IntVar(&s.clients, "clients", 64, "clients that start and complete uploads at once")
	flags.IntVar(&s.open, "open", 20000, "open uploads on the control plane")
	flags.IntVar(&s.finished, "finished", 20000, "records of finished uploads on the control plane")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("what is %q? Flags only", flags.Arg(0))
	}
	s.stores = strings.Split(stores, ",")
	if s.ways = strings.Split(names, ","); names == "all" {
		s.ways = wayNames()
	}
	for _, text := range strings.Split(parallel, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return s, fmt.Errorf("-parallel=%s: a list of positive numbers", parallel)
		}
		s.parallel = append(s.parallel, n)
	}
	var err error
	if s.traffics, err = parseTraffics(traffic); err != nil {
		return s, err
	}
	s.traffic = s.traffics[0]
	return s, s.check()
}

func (s settings) check() error {
	for _, name := range s.ways {
		if !slices.Contains(wayNames(), name) {
			return fmt.Errorf("-ways: unknown %q; there are %v", name, wayNames())
		}
	}
	for _, name := range s.stores {
		if !slices.Contains([]string{"versitygw", "minio", "null"}, name) {
			return fmt.Errorf("-stores: unknown %q; there are versitygw, minio and null", name)
		}
	}
	if s.part < 5 || s.mebibyte < s.part || s.rounds < 1 {
		return errors.New("-part is at least 5 MiB, -mib at least one part, -rounds at least 1")
	}
	if s.uploads < 1 || s.within <= 0 || s.phase <= 0 || s.clients < 1 {
		return errors.New("-uploads, -within, -phase and -clients must be positive")
	}
	if s.open < 2*scaleNamespaces || s.finished < 0 {
		return fmt.Errorf("-open is at least %d, -finished at least 0", 2*scaleNamespaces)
	}
	return nil
}
