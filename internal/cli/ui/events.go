package ui

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// aliveEvery is how often a stream says that it is there.
	aliveEvery = 15 * time.Second
	// readerTimeout is how long a browser may take nothing before its stream is given up. The page
	// opens another one.
	readerTimeout = time.Minute
)

// What the stream says.
const (
	typePut    = "put"
	typeGone   = "gone"
	typeSynced = "synced"
	typeReset  = "reset"
	typeError  = "error"
	typeAlive  = "alive"
)

// message is one line of the stream.
type message struct {
	Type    string                       `json:"type"`
	Kind    string                       `json:"kind,omitempty"`
	Objects []*unstructured.Unstructured `json:"objects,omitempty"`
	Keys    []string                     `json:"keys,omitempty"`
	Status  int                          `json:"status,omitempty"`
	Message string                       `json:"message,omitempty"`
}

// batch is what has changed and was not yet said: of each object the last state, nil where it is
// gone.
type batch map[string]*unstructured.Unstructured

// messages says it, in the order of the keys.
func (b batch) messages(kind string) []message {
	put, gone := message{Type: typePut, Kind: kind}, message{Type: typeGone, Kind: kind}
	keys := make([]string, 0, len(b))
	for key := range b {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if object := b[key]; object != nil {
			put.Objects = append(put.Objects, object)
			continue
		}
		gone.Keys = append(gone.Keys, key)
	}
	var out []message
	if len(gone.Keys) > 0 {
		out = append(out, gone)
	}
	if len(put.Objects) > 0 {
		out = append(out, put)
	}
	return out
}

// later says it when it is written, which is not at every change.
func (b batch) later(kind string) func() []message {
	return func() []message { return b.messages(kind) }
}

// serveEvents answers with all objects and each of their changes, until the browser goes. What is
// not yet written is kept as one state for each object, and of so many that a browser which does
// not read holds up the watch, which the API server then ends.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	namespace := r.URL.Query().Get("namespace")
	if namespace != "" && len(validation.IsDNS1123Label(namespace)) > 0 {
		refuse(w, http.StatusBadRequest, "no namespace has such a name")
		return
	}
	ctx, end := context.WithCancel(r.Context())
	out := make(chan func() []message)
	var followers sync.WaitGroup
	defer followers.Wait()
	defer end()
	if s.kube != nil {
		uploads := s.kube.Resource(uploadsResource)
		stores := s.kube.Resource(storesResource)
		for _, f := range []*follower{{kind: "uploads", objects: uploads.Namespace(namespace), out: out}, {kind: "stores", objects: stores, out: out}} {
			followers.Go(func() { f.run(ctx) })
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	line := &lines{json.NewEncoder(w), http.NewResponseController(w)}
	first := []message{{Type: typeAlive}}
	if s.kube == nil {
		for _, kind := range []string{"uploads", "stores"} {
			first = append(first, message{Type: typeError, Kind: kind, Status: http.StatusBadGateway, Message: s.noKube.Error()})
		}
	}
	if line.write(first) != nil {
		return
	}
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case messages := <-out:
			err = line.write(messages())
		case <-alive.C:
			err = line.write([]message{{Type: typeAlive}})
		}
		if err != nil {
			return
		}
	}
}

// lines writes messages, each at once.
type lines struct {
	encoder    *json.Encoder
	controller *http.ResponseController
}

func (l *lines) write(messages []message) error {
	if err := l.controller.SetWriteDeadline(time.Now().Add(readerTimeout)); err != nil {
		return err
	}
	for _, m := range messages {
		if err := l.encoder.Encode(m); err != nil {
			return err
		}
	}
	return l.controller.Flush()
}
