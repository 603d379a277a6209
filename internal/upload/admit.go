package upload

import (
	"fmt"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// RefusalKind says what is wrong with a request, for the one table that turns it into an HTTP
// status.
type RefusalKind int

const (
	// RefusalTooSmall: the part is smaller than a part may be (docs/rest-api.md, "Part").
	RefusalTooSmall RefusalKind = iota + 1
	// RefusalTooLarge: the part is larger than the store takes.
	RefusalTooLarge
	// RefusalNotOpen: no upload is open that takes parts.
	RefusalNotOpen
	// RefusalConflict: If-Match is not what the upload was opened with, or the part lies behind the
	// fixed last one.
	RefusalConflict
	// RefusalNoRoom: other uploads of the namespace hold too many bytes.
	RefusalNoRoom
)

// Refusal says why a request is refused. Its text may be shown to a client.
type Refusal struct {
	Kind    RefusalKind
	Message string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// AdmitSize checks the size in bytes of a part before anything is looked up. The final part, sent
// with the completing request, may be smaller. It returns nil or a *Refusal.
func AdmitSize(size int64, final bool, limits Limits) error {
	switch {
	case !final && size < limits.MinPartSize:
		return &Refusal{RefusalTooSmall, fmt.Sprintf("the part has %d bytes, and parts have at least %d; only the last one, sent with upload=complete, may be smaller", size, limits.MinPartSize)}
	case size > limits.MaxPartSize:
		return &Refusal{RefusalTooLarge, fmt.Sprintf("the part has %d bytes, and this store takes at most %d in one part", size, limits.MaxPartSize)}
	}
	return nil
}

// AdmitPart reports whether part number may be written to the upload now: it is open, nobody has
// asked for its end, its time is not over, and ifMatch, where it was sent, is the one that the
// upload was opened with. u may be nil: there is none. store is the FileStore that takes u, or nil.
// It returns nil, a *Refusal or a *StatusError.
func AdmitPart(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, number int32, ifMatch *int64, now time.Time) error {
	if err := AdmitCaller(u, ifMatch); err != nil {
		return err
	}
	if err := CheckStatus(u, store, now); err != nil && !Ended(u) {
		return err
	}
	switch {
	case Desired(u) == v1alpha1.DesiredStateCompleted:
		return &Refusal{RefusalNotOpen, "the upload is being completed and takes no more parts"}
	case !TakesParts(u):
		return &Refusal{RefusalNotOpen, notOpen}
	case Expired(u, store, now):
		return &Refusal{RefusalNotOpen, "the upload's time is over: start it again with upload=start"}
	case u.Spec.FinalPartNumber != nil && number >= *u.Spec.FinalPartNumber:
		return &Refusal{RefusalConflict, fmt.Sprintf("part %d was fixed as the last one by upload=complete: repeat that request", *u.Spec.FinalPartNumber)}
	}
	return nil
}

// AdmitCaller reports whether there is an upload, and whether it is the one that the caller means:
// ifMatch, where it was sent, must be what it was opened with (docs/rest-api.md, "Versions"). It
// returns nil or a *Refusal.
func AdmitCaller(u *v1alpha1.MultipartUpload, ifMatch *int64) error {
	if u == nil {
		return &Refusal{RefusalNotOpen, notOpen}
	}
	if ifMatch == nil || (u.Spec.IfMatch != nil && *ifMatch == *u.Spec.IfMatch) {
		return nil
	}
	if u.Spec.IfMatch == nil {
		return &Refusal{RefusalConflict, fmt.Sprintf("If-Match is %d, but the upload was started without If-Match", *ifMatch)}
	}
	return &Refusal{RefusalConflict, fmt.Sprintf("If-Match is %d, but the upload was started with If-Match: %d", *ifMatch, *u.Spec.IfMatch)}
}

const notOpen = "no upload of this file is open: start one with upload=start"
