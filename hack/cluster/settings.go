package main

import "time"

// settings are the flags.
type settings struct {
	engine  string // auto, kind or node
	from    string // the commit to upgrade from
	install bool   // Debian packages
	logs    string
	limit   time.Duration

	inside          string // how a program that is started again in namespaces knows what it is
	scratch, cgroup string
}

// The engines.
const (
	engineNode = "node"
	engineKind = "kind"
)
