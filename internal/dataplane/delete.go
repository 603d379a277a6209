package dataplane

import (
	"net/http"

	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// deleteFile deletes a file (docs/rest-api.md, "Delete"). An open upload of it is not
// touched: one that was to update the file fails when it is completed. If-Match and the other
// conditions are compared where they are sent, but object storage has none for deletions, so a
// writer that is faster than the two calls goes unnoticed.
func (s *Server) deleteFile(c *call, r *http.Request) error {
	at, err := s.targetOf(r.Context(), c)
	if err != nil {
		return err
	}
	object, file, exists, err := at.stat(r.Context())
	switch {
	case err != nil:
		return err
	case !exists:
		return filestore.ErrNotFound
	}
	if c.ifMatch != nil {
		if err := upload.CheckVersion(c.ifMatch, true, file.Version); err != nil {
			return err
		}
	}
	if err := c.conditions.Check(exists, file.Version, object.Modified); err != nil {
		return err
	}
	if err := at.store.DeleteObject(r.Context(), at.key); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ObjectDeleted)
	c.response.WriteHeader(http.StatusNoContent)
	return nil
}
