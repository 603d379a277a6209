package main

import (
	"fmt"
	"slices"
	"strings"
)

// traffic is how bytes come to what stands in front of a store, and what they come over.
type traffic struct {
	name, label string
	tls         string  // of which sides: "", in, out, both
	pace        float64 // MB/s of each sender, in writes of 16 KiB; 0 for as fast as they can
	parallel    []int   // senders at once; nil for what -parallel says
	down        bool    // from the store
}

// traffics in the order in which they are measured. Those with a pace come to about as many bytes a
// second as two cores carry.
var traffics = []traffic{
	{name: "plain", label: "plain HTTP, at full speed"},
	{name: "tls", label: "TLS on both sides, at full speed", tls: "both"},
	{name: "tls-in", label: "TLS from the sender, plain HTTP to the store, at full speed", tls: "in"},
	{name: "tls-out", label: "plain HTTP from the sender, TLS to the store, at full speed", tls: "out"},
	{name: "paced", label: "plain HTTP, senders of 20 MB/s in writes of 16 KiB", pace: 20, parallel: []int{16}},
	{name: "tls-paced", label: "TLS on both sides, senders of 20 MB/s in writes of 16 KiB", tls: "both", pace: 20, parallel: []int{16}},
	{name: "slow", label: "plain HTTP, senders of 2 MB/s in writes of 16 KiB", pace: 2, parallel: []int{128}},
	{name: "tls-slow", label: "TLS on both sides, senders of 2 MB/s in writes of 16 KiB", tls: "both", pace: 2, parallel: []int{128}},
	{name: "down", label: "downloads over plain HTTP", down: true},
	{name: "tls-down", label: "downloads, TLS on both sides", tls: "both", down: true},
}

// tlsIn and tlsOut report whether what stands in front of a store speaks TLS with its clients, and
// with the store.
func (t traffic) tlsIn() bool  { return t.tls == "in" || t.tls == "both" }
func (t traffic) tlsOut() bool { return t.tls == "out" || t.tls == "both" }

func trafficNames() []string {
	names := make([]string, 0, len(traffics))
	for _, t := range traffics {
		names = append(names, t.name)
	}
	return names
}

// parseTraffics reads a list of names.
func parseTraffics(list string) ([]traffic, error) {
	names := strings.Split(list, ",")
	if list == "all" {
		names = trafficNames()
	}
	var chosen []traffic
	for _, name := range names {
		i := slices.IndexFunc(traffics, func(t traffic) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-traffic: unknown %q; there are %v", name, trafficNames())
		}
		chosen = append(chosen, traffics[i])
	}
	return chosen, nil
}
