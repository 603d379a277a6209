package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Names of what is told of object storage before a byte of a file is sent.
const (
	checkBucket     = "bucket"
	checkChecksums  = "checksums"
	checkConditions = "conditions"
	checkListing    = "upload listing"
	checkKeys       = "keys"
	checkSearch     = "search"
	checkVerdict    = "verdict"
)

// storeTimeout bounds the examination of a store, which may say nothing at all.
const storeTimeout = 5 * time.Minute

const aboutStores = "docs/object-stores.md"

// StoreOptions say which bucket is examined, and what opens it.
type StoreOptions struct {
	Config filestore.Config
	Open   filestore.Factory
}

// storeExamination is one run against a bucket.
type storeExamination struct {
	StoreOptions
	store filestore.Store
	caps  *v1alpha1.FileStoreCapabilities
	// keys is what all keys that are made begin with.
	keys string
	tell func(Finding)
	// failed and untried are the checks that have failed, and those that could not be made.
	failed, untried []string
}

// RunStore examines a bucket from here, with the probe by which the operator judges a FileStore,
// and then with files, and ends with a verdict. What it makes it deletes.
func RunStore(ctx context.Context, o StoreOptions, tell func(Finding)) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	e := &storeExamination{StoreOptions: o, keys: o.Config.Prefix + "doctor-" + strings.ToLower(rand.Text()) + "/"}
	e.tell = func(f Finding) {
		switch f.State {
		case Failure:
			e.failed = append(e.failed, f.Check)
		case Unknown:
			e.untried = append(e.untried, f.Check)
		}
		tell(f)
	}
	e.probeBucket(ctx)
	e.tryFiles(ctx)
	tell(e.verdict())
}

// probeBucket makes the probe of the operator, and tells of each thing that it finds.
func (e *storeExamination) probeBucket(ctx context.Context) {
	store, err := e.Open(e.Config)
	if err != nil {
		e.withoutBucket(err)
		return
	}
	defer store.Close()
	caps, err := store.Probe(ctx)
	if err != nil {
		e.withoutBucket(err)
		return
	}
	e.caps = &caps
	e.tell(Finding{checkBucket, OK, e.Config.Endpoint + " has " + e.Config.Bucket + ", and takes the keys", ""})
	for _, f := range capabilityFindings(&caps) {
		e.tell(f)
	}
}

// withoutBucket tells why nothing can be examined.
func (e *storeExamination) withoutBucket(err error) {
	e.tell(Finding{checkBucket, Failure, oneLine(err.Error()), bucketRemedy(err)})
	for _, f := range unknown("the bucket cannot be used", checkChecksums, checkConditions, checkListing, checkKeys, checkSearch) {
		e.tell(f)
	}
}

// bucketRemedy says what to do about a bucket that cannot be used.
func bucketRemedy(err error) string {
	if hint := filestore.HintOf(err); hint != "" {
		return oneLine(hint)
	}
	switch {
	case errors.Is(err, filestore.ErrInvalidConfig):
		return "give --store as https://HOST, without a path, and a bucket behind it"
	case errors.Is(err, filestore.ErrAccessDenied):
		return "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what their policy allows: docs/spec/filestore.md"
	case errors.Is(err, filestore.ErrBucketNotFound):
		return "make the bucket, or name another one"
	case errors.Is(err, filestore.ErrIntegrityUnsupported), errors.Is(err, filestore.ErrPartsNotReplaced), errors.Is(err, filestore.ErrRejected):
		return "this store cannot be used as it is: " + aboutStores
	}
	return strings.Replace(unreachable(err), "--server", "--store", 1)
}

// capabilityFindings reads what the probe has found. What is missing is worked around, at a price.
func capabilityFindings(caps *v1alpha1.FileStoreCapabilities) []Finding {
	checksums := Finding{checkChecksums, OK, "damaged bytes are refused (" + string(caps.PayloadMode) + ")", ""}
	if caps.PayloadMode == v1alpha1.PayloadUnsigned {
		checksums = Finding{checkChecksums, Warning, "damaged bytes are not noticed (" + string(caps.PayloadMode) + ")", "use it with TLS alone: " + aboutStores}
	}
	conditions := Finding{checkConditions, OK, "of racing writers one wins", ""}
	if gaps := filestore.ConditionGaps(caps); len(gaps) > 0 {
		conditions = Finding{checkConditions, Warning, strings.Join(gaps, "; "), "let nobody but the operator write there: " + aboutStores}
	}
	listing := Finding{checkListing, OK, "open uploads are listed (" + string(caps.UploadListing) + ")", ""}
	switch caps.UploadListing {
	case v1alpha1.UploadListingNone:
		listing = Finding{checkListing, Warning, "open uploads are not listed: orphans are not found", "give the bucket a lifecycle rule for incomplete uploads, longer than uploadTTL: " + aboutStores}
	case v1alpha1.UploadListingExactKey:
		listing = Finding{checkListing, Warning, "open uploads are listed by their exact key only: orphans are found as far as their files are known", aboutStores}
	}
	search := Finding{checkSearch, OK, "a listing has what is stored with files", ""}
	if caps.ListingMetadata == nil || !*caps.ListingMetadata {
		search = Finding{checkSearch, Warning, "a listing has no metadata: a search asks once more for each file, and is slow with thousands", aboutStores}
	}
	return []Finding{checksums, conditions, listing, keysFinding(caps.Keys), search}
}

// keysFinding tells which keys the store cannot hold.
func keysFinding(limits *v1alpha1.FileStoreKeyLimits) Finding {
	if limits == nil {
		return Finding{checkKeys, OK, "all that S3 takes", ""}
	}
	var cannot []string
	if limits.MaxBytes != nil {
		cannot = append(cannot, fmt.Sprintf("keys of more than %d bytes", *limits.MaxBytes))
	}
	if limits.MaxSegmentBytes != nil {
		cannot = append(cannot, fmt.Sprintf("names of more than %d bytes", *limits.MaxSegmentBytes))
	}
	if limits.BackslashIsSlash != nil && *limits.BackslashIsSlash {
		cannot = append(cannot, "a backslash beside a slash")
	}
	return Finding{checkKeys, Warning, "it cannot hold " + strings.Join(cannot, ", "), "such paths are refused: " + aboutStores}
}

// verdict says whether the operator can use the bucket, in the words of a FileStore's conditions.
func (e *storeExamination) verdict() Finding {
	switch {
	case len(e.failed) > 0:
		return Finding{checkVerdict, Failure, "not usable: " + strings.Join(e.failed, ", "), aboutStores}
	case len(e.untried) > 0:
		return Finding{checkVerdict, Failure, "not shown to be usable: could not be tried: " + strings.Join(e.untried, ", "), "run it again when the store answers"}
	}
	protection := filestore.ProtectionOf(e.caps)
	if protection.Reason != v1alpha1.ReasonProtected {
		return Finding{checkVerdict, Warning, "usable, and not protected (" + protection.Reason + "): " + protection.Message, aboutStores}
	}
	return Finding{checkVerdict, OK, "usable: " + protection.Message, ""}
}
