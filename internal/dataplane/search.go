package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/search"
)

// search lists files of an entity (docs/rest-api.md, "Search").
func (s *Server) search(c *call, r *http.Request) error {
	query, err := search.Parse(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.opts.SearchTimeout, apierror.ErrTimeout)
	defer cancel()
	fs, err := s.fileStore(ctx, c.file.Namespace)
	if err != nil {
		return err
	}
	store, err := s.storeNamed(ctx, fs.Name)
	if err != nil {
		return err
	}
	release, err := s.takeTurn(ctx, c, s.searches, budgetSearches, fs.Name)
	if err != nil {
		return err
	}
	defer release()
	files, total, err := search.Run(ctx, store, fs.Spec.Prefix+c.file.TenantKey(), query)
	if errors.Is(context.Cause(ctx), apierror.ErrTimeout) {
		return apierror.Unavailable("the search takes too long: narrow it with a filter on path", apierror.RetryShort).Because(err)
	}
	if err != nil {
		return err
	}
	return c.answerFiles(files, total)
}

// answerFiles writes the page and the number of all matches.
func (c *call) answerFiles(files []*search.File, total int) error {
	out := make([]search.Listed, len(files))
	for i, f := range files {
		out[i] = f.Listed(c.file.Namespace)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode the files: %w", err)
	}
	h := c.response.Header()
	h.Set("X-Total-Count", strconv.Itoa(total))
	h.Set("Count", strconv.Itoa(total))
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.response.WriteHeader(http.StatusOK)
	if c.method != http.MethodHead {
		_, _ = c.response.Write(body) // the client may be gone
	}
	return nil
}
