package ui

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// infoTimeout is how long the page waits for what the REST API is.
	infoTimeout = 5 * time.Second
	// kubeTimeout is how long one request to the Kubernetes API may take.
	kubeTimeout = 30 * time.Second
	// pageSize is how many objects a list has at once.
	pageSize = 500
)

// told is what the page is told of itself.
type told struct {
	Version   string `json:"version"`
	Server    string `json:"server"`
	Via       string `json:"via"`
	Caller    string `json:"caller"`
	TokenFrom string `json:"tokenFrom"`
	Context   string `json:"context"`
	Namespace string `json:"namespace"`
	Entity    string `json:"entity"`
	// Problem is why the REST API is not to be had, "" while it is.
	Problem string `json:"problem"`
}

func (s *Server) serveInfo(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), infoTimeout)
	defer cancel()
	t := told{Version: s.info.Version, Context: s.info.Context, Namespace: s.info.Namespace, Entity: s.info.Entity}
	if api, err := s.api.get(ctx); err != nil {
		t.Problem = apiProblem(err)
	} else {
		t.Server, t.Via, t.Caller, t.TokenFrom = api.Server, api.Via, api.Caller, api.TokenFrom
		t.Namespace = cmp.Or(api.Namespace, namespaceOf(api.Caller), t.Namespace)
	}
	answer(w, http.StatusOK, t)
}

// namespaceOf is the namespace of a service account, "" of another caller.
func namespaceOf(caller string) string {
	account, ok := strings.CutPrefix(caller, "system:serviceaccount:")
	if !ok {
		return ""
	}
	namespace, _, _ := strings.Cut(account, ":")
	return namespace
}

func (s *Server) serveNamespaces(w http.ResponseWriter, r *http.Request) {
	names := []string{}
	if s.kube == nil {
		refuse(w, http.StatusBadGateway, s.noKube.Error())
		return
	}
	for next := ""; ; {
		ctx, cancel := context.WithTimeout(r.Context(), kubeTimeout)
		list, err := s.kube.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).
			List(ctx, metav1.ListOptions{Limit: pageSize, Continue: next})
		cancel()
		if err != nil {
			status, message := kubeProblem(err)
			refuse(w, status, message)
			return
		}
		for _, item := range list.Items {
			names = append(names, item.GetName())
		}
		if next = list.GetContinue(); next == "" {
			answer(w, http.StatusOK, map[string]any{"namespaces": names})
			return
		}
	}
}
