// @ts-check
// What the reasons of conditions mean, and what to do. The texts follow api/v1alpha1/conditions.go and docs/spec.

/** @type {Record<string, [string, string?]>} */
const meanings = {
	Aborted: ["The parts were deleted, as was asked for.", "Send the file again if it is still wanted."],
	Expired: ["It was not completed in its time, and its parts were deleted.", "Send the file again, and extend the upload while it is open."],
	UploadLost: ["Object storage no longer knows the upload.", "Send the file again. A lifecycle rule of the bucket is the usual cause."],
	StatusMismatch: ["The status does not follow from the record, so nothing is done with it.", "Delete the record with kubectl, and send the file again."],
	FileBusy: ["An older upload of the same file is open.", "Complete or abort the older one."],
	VersionConflict: ["The file exists, or is not at the version to be replaced.", "Abort this upload, and send the file again to replace the present one."],
	PartsMissing: ["It was to be completed, and parts are missing.", "Abort it, and send the file again."],
	PartsInvalid: ["Object storage refuses to assemble these parts.", "Abort it, and send the file again with larger parts."],
	CompletionRefused: ["Object storage refuses to assemble the file, and is asked again.", "Have the store looked at, or abort the upload."],
	OpeningRefused: ["Object storage refuses to open the upload, and is asked again.", "Have the store looked at, or choose another path."],
	SizeMismatch: ["The parts do not have the declared size together.", "Abort it, and send the file again."],
	TooManyBytes: ["The namespace would hold more incomplete bytes than its store allows.", "Complete or abort other uploads."],
	InvalidKey: ["Object storage cannot store a file of this path.", "Abort it, and choose another path."],
	StoreNotFound: ["There is no such store, or no default one.", "Ask the platform team for one."],
	StoreNotAllowed: ["The store does not take this namespace.", "Ask the platform team: its namespaceSelector decides."],
	TooManyOpenUploads: ["The namespace has as many uploads open as its store allows.", "Complete or abort other uploads."],
	StoreUnavailable: ["Object storage cannot be reached, or refuses the credentials.", "It is tried again. If it lasts, look at the store."],

	SecretNotFound: ["The Secret with the credentials is missing, or lacks a key.", "Create it in the operator's namespace."],
	SecretWithoutConsent: ["The Secret does not name this store.", "Name the store in the Secret's annotation iotfile.dev/stores."],
	PrefixOverlap: ["Another store has the same bucket and an overlapping prefix.", "Give one of them another prefix or bucket."],
	InvalidConfiguration: ["The spec cannot be used as it is.", "Correct what the message names."],
	EndpointNotAllowed: ["The endpoint is an address that only the operator can reach.", "Set another endpoint."],
	BucketNotFound: ["The endpoint has no such bucket.", "Create the bucket, or a store with another one."],
	AccessDenied: ["The endpoint refuses the credentials.", "Correct the Secret, or the rights of its keys."],
	Unreachable: ["The endpoint does not answer, and is asked again.", "Look at the endpoint, and at network policies on the way."],
	IntegrityUnsupported: ["A body that is cut short leaves something behind there.", "Use another object storage."],
	PartsNotReplaced: ["A part that is sent again does not replace the first one there.", "Use another object storage."],
	Protected: ["Of racing writers one wins, damaged bytes are refused, and forgotten uploads are found."],
	NoChecksums: ["Bytes that are damaged on the way to object storage are not noticed.", "Use TLS, or object storage that verifies checksums."],
	NoConditions: ["Writers that race for one file can overwrite each other.", "Send each file from one place at a time, or use object storage that compares If-Match."],
	NoUploadListing: ["Uploads that no record owns are not found.", "Set a lifecycle rule that deletes old incomplete uploads."],
	UploadsOpen: ["The store is being deleted, and goes when its uploads have ended."],
	ReapedByBackend: ["Object storage has deleted open uploads by itself.", "Look for a lifecycle rule that deletes them too early."],
};

/** @param {string} reason */
export function meaningOf(reason) {
	const [says, todo = ""] = meanings[reason] ?? [""];
	return { says, todo };
}

/** @param {Condition[] | undefined} conditions @param {string} type */
export function conditionOf(conditions, type) {
	return conditions?.find((c) => c.type === type);
}

/** What an upload is to a person: how it is called, how it is coloured, and whether it is open. @param {MultipartUpload} upload */
export function stateOf(upload) {
	const phase = upload.status?.phase || "Pending";
	const lost = phase === "Stalled" && conditionOf(upload.status?.conditions, "Stalled")?.reason === "UploadLost";
	const open = !lost && !["Completed", "Aborted", "Expired"].includes(phase);
	const tone = phase === "Stalled" ? "bad" : phase === "Completed" ? "good" : open ? "busy" : "off";
	return { phase, word: phase === "Pending" ? "Opening" : phase, tone, open };
}

/** Why an upload does not go on, in words; null where it does. @param {MultipartUpload} upload */
export function troubleOf(upload) {
	const conditions = upload.status?.conditions;
	const stalled = conditionOf(conditions, "Stalled");
	const ready = conditionOf(conditions, "Ready");
	const what = stalled?.status === "True" ? stalled : ready?.reason === "StoreUnavailable" ? ready : null;
	return what && { reason: what.reason, message: what.message, ...meaningOf(what.reason) };
}
