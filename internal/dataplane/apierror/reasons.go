package apierror

import (
	"net/http"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// reasons are the answers for condition reasons. Their messages are for the cluster's users, so
// clients get others.
var reasons = []struct {
	reason string
	answer Error
}{
	{v1alpha1.ReasonStoreNotFound, Error{Status: http.StatusNotFound, Message: "no file store serves this namespace: ask the platform team"}},
	{v1alpha1.ReasonStoreNotAllowed, Error{Status: http.StatusForbidden, Message: "this namespace may not use its file store: ask the platform team"}},
	{v1alpha1.ReasonFileBusy, Error{Status: http.StatusBadRequest, Message: "an upload of this file is open, and stays open: continue it, or end it with upload=complete or upload=abort"}},
	{v1alpha1.ReasonVersionConflict, Error{Status: http.StatusConflict, Message: "the file is not at the version that was demanded: read its ETag, abort the upload if it is open, and start again with that If-Match"}},
	{v1alpha1.ReasonTooManyOpenUploads, Error{Status: http.StatusTooManyRequests, Message: "the namespace has as many uploads open as it may: complete or abort one", RetryAfter: RetryLong}},
	{v1alpha1.ReasonTooManyBytes, Error{Status: http.StatusTooManyRequests, Message: "the open uploads of the namespace hold too many bytes for a file of this size: complete or abort one", RetryAfter: RetryLong}},
	{v1alpha1.ReasonSizeMismatch, Error{Status: http.StatusBadRequest, Message: "the parts do not have the size together that was declared with X-File-Size: abort the upload and start it again"}},
	{v1alpha1.ReasonInvalidKey, Error{Status: http.StatusBadRequest, Message: "object storage cannot store a file of this path: choose another"}},
	{v1alpha1.ReasonPartsMissing, Error{Status: http.StatusBadRequest, Message: "the parts are not exactly 1..N: abort the upload and start it again"}},
	{v1alpha1.ReasonPartsInvalid, Error{Status: http.StatusBadRequest, Message: "object storage refuses to assemble these parts, for example because one but the last is too small: abort the upload and start it again"}},
	{v1alpha1.ReasonOpeningRefused, Error{Final: true, Status: http.StatusBadGateway, Message: "object storage refuses to open an upload of this file, each time that it is asked: choose another path, or ask the platform team"}},
	{v1alpha1.ReasonCompletionRefused, Error{Final: true, Status: http.StatusBadGateway, Message: "object storage refuses to assemble the file, and is asked again: send the request again later, or end the upload with upload=abort", RetryAfter: RetryLong}},
	{v1alpha1.ReasonAborted, Error{Status: http.StatusConflict, Message: "the upload was aborted: start it again with upload=start"}},
	{v1alpha1.ReasonAborting, Error{Status: http.StatusConflict, Message: "the upload was aborted: start it again with upload=start"}},
	{v1alpha1.ReasonExpired, Error{Status: http.StatusConflict, Message: "the upload's time was over: start it again with upload=start"}},
	{v1alpha1.ReasonExpiring, Error{Status: http.StatusConflict, Message: "the upload's time was over: start it again with upload=start"}},
	{v1alpha1.ReasonStatusMismatch, Error{Status: http.StatusConflict, Message: "the record of this upload says what cannot be true, and nothing is done with it: end it with upload=abort, and start again with upload=start"}},
	{v1alpha1.ReasonUploadLost, Error{Status: http.StatusConflict, Message: "object storage no longer knows the upload: start it again with upload=start"}},
}

func describeReason(reason string) Error {
	for i := range reasons {
		if reasons[i].reason == reason {
			return reasons[i].answer
		}
	}
	return Error{Status: http.StatusServiceUnavailable, Message: "the upload cannot go on now: send the request again", RetryAfter: RetryLong}
}
