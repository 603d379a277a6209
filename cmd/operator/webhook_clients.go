package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/reviewserver"
)

// webhookClients are the flags that say who may call the webhooks.
type webhookClients struct{ caFile, names string }

func (w *webhookClients) bindFlags() {
	flag.StringVar(&w.caFile, "webhook-client-ca-file", "",
		"PEM file of the CAs that sign client certificates of API servers: without one, of a name in --webhook-client-names, nobody may call the webhooks. Read again when it changes. Default: everybody who reaches the port may call.")
	flag.StringVar(&w.names, "webhook-client-names", "",
		"The common names, separated by commas, of the client certificates that --webhook-client-ca-file is about. Each flag needs the other.")
}

func (w *webhookClients) validate() error {
	if (w.caFile == "") != (len(w.list()) == 0) {
		return errors.New("--webhook-client-ca-file and --webhook-client-names need each other: a CA signs for many, and a name counts with its CA alone")
	}
	return nil
}

func (w *webhookClients) list() []string {
	var list []string
	for name := range strings.SplitSeq(w.names, ",") {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list
}

// load gives the clients that may call, nil for everybody who reaches the port.
func (w *webhookClients) load() (*reviewserver.Clients, error) {
	if w.caFile == "" {
		return nil, nil
	}
	clients, err := reviewserver.NewClients(w.caFile, w.list())
	if err != nil {
		return nil, fmt.Errorf("--webhook-client-ca-file: %w", err)
	}
	return clients, nil
}
