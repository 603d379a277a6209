package s3

import (
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// SetUploadsPage makes ListUploads ask for so many uploads at once.
func SetUploadsPage(s filestore.Store, n int) { s.(*store).uploadsPage = n }

// SetLeftoverAge makes Probe take others of this age for dead.
func SetLeftoverAge(s filestore.Store, age time.Duration) { s.(*store).leftoverAge = age }

// SetSilence makes questions wait so long for each byte of their answers.
func SetSilence(s filestore.Store, limit time.Duration) { s.(*store).silence.Store(int64(limit)) }
