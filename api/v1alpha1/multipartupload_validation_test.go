package v1alpha1_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func testUploadCreation(t *testing.T) {
	const (
		badEntity  = "entityID must be 32 lower-case hexadecimal digits"
		badSlashes = "path must not start or end with a slash or hold an empty segment"
		badDots    = "path must not hold the segments . or .."
		badControl = "path must not hold control characters, U+FFFE or U+FFFF"
		badTTL     = "ttl must be a duration such as 90m or 48h, positive and at most 8760h"
	)
	testCreations(t, uploads, []creation{
		{"Minimal", nil, ""},
		{"Everything", fields{
			"spec.storeName": "main", "spec.path": "logs/2026/motor äöü 😀.bin", "spec.contentType": "text/plain; charset=utf-8",
			"spec.description": "engine log", "spec.timestamp": "2026-01-02T03:04:05Z", "spec.ifMatch": int64(0),
			"spec.contentEncoding": "gzip", "spec.contentLanguage": "de, en", "spec.contentDisposition": "attachment; filename=\"50% x.bin\"",
			"spec.cacheControl": "max-age=60",
			"spec.createdBy":    "system:serviceaccount:default:app", "spec.idempotencyKey": "k1", "spec.desiredState": "Uploading",
			"spec.finalPartNumber": int64(7), "spec.ttl": "90m",
		}, ""},

		{"EntityMissing", fields{"spec.entityID": nil}, "spec.entityID: Required value"},
		{"EntityShort", fields{"spec.entityID": entityID[1:]}, "spec.entityID: Invalid value: \"" + entityID[1:] + "\": spec.entityID in body should be at least 32 chars long"},
		{"EntityLong", fields{"spec.entityID": entityID + "0"}, "spec.entityID: Too long"},
		{"EntityUpperCase", fields{"spec.entityID": "0123456789ABCDEF0123456789ABCDEF"}, badEntity},
		{"EntityNewline", fields{"spec.entityID": entityID[1:] + "\n"}, badEntity},

		{"PathMissing", fields{"spec.path": nil}, "spec.path: Required value"},
		{"PathEmpty", fields{"spec.path": ""}, "spec.path in body should be at least 1 chars long"},
		{"PathLongest", fields{"spec.path": text(1024)}, ""},
		{"PathLong", fields{"spec.path": text(1025)}, "spec.path: Too long"},
		{"PathLeadingSlash", fields{"spec.path": "/a"}, badSlashes},
		{"PathTrailingSlash", fields{"spec.path": "a/"}, badSlashes},
		{"PathDoubledSlash", fields{"spec.path": "a//b"}, badSlashes},
		{"PathDot", fields{"spec.path": "."}, badDots},
		{"PathDotFirst", fields{"spec.path": "./a"}, badDots},
		{"PathDotDotInside", fields{"spec.path": "a/../b"}, badDots},
		{"PathDotDotLast", fields{"spec.path": "a/.."}, badDots},
		{"PathDotsInNames", fields{"spec.path": ".a/..b/c./d../..."}, ""},
		{"PathNewline", fields{"spec.path": "a\nb"}, badControl},
		{"PathNUL", fields{"spec.path": "a\x00b"}, badControl},
		{"PathDEL", fields{"spec.path": "a\x7fb"}, badControl},
		{"PathC1", fields{"spec.path": "a\u0085b"}, badControl},
		{"PathC1Last", fields{"spec.path": "a\u009fb"}, badControl},
		{"PathNoCharacter", fields{"spec.path": "a\uffffb"}, badControl},
		{"PathReplacementCharacter", fields{"spec.path": "a\ufffdb"}, ""},
		{"PathNoBreakSpace", fields{"spec.path": "a\u00a0b"}, ""},
		{"PathQuestionMark", fields{"spec.path": "a?b#c%20d\\e"}, ""},

		{"StoreNameEmpty", fields{"spec.storeName": ""}, "spec.storeName in body should be at least 1 chars long"},
		{"StoreNameLong", fields{"spec.storeName": text(254)}, "spec.storeName: Too long"},
		{"StoreNameLongest", fields{"spec.storeName": text(253)}, ""},
		{"ContentTypeEmpty", fields{"spec.contentType": ""}, "spec.contentType in body should be at least 1 chars long"},
		{"ContentTypeLong", fields{"spec.contentType": text(256)}, "spec.contentType: Too long"},
		{"ContentTypeLongest", fields{"spec.contentType": text(255)}, ""},
		{"ContentTypeHeaderInjection", fields{"spec.contentType": "a/b\r\nx: y"}, "contentType must be printable ASCII"},
		{"ContentTypeForm", fields{"spec.contentType": "Multipart/Form-Data; boundary=x"}, "contentType must not be multipart/form-data"},
		{"ContentTypeOtherMultipart", fields{"spec.contentType": "multipart/mixed; boundary=x"}, ""},
		{"ContentTypeNotASCII", fields{"spec.contentType": "a/ü"}, "contentType must be printable ASCII"},
		{"ContentEncodingEmpty", fields{"spec.contentEncoding": ""}, "spec.contentEncoding in body should be at least 1 chars long"},
		{"ContentEncodingLong", fields{"spec.contentEncoding": text(256)}, "spec.contentEncoding: Too long"},
		{"ContentEncodingLongest", fields{"spec.contentEncoding": text(255)}, ""},
		{"ContentEncodingHeaderInjection", fields{"spec.contentEncoding": "gzip\r\nx: y"}, "contentEncoding must be printable ASCII"},
		{"ContentEncodingFraming", fields{"spec.contentEncoding": "gzip, AWS-Chunked"}, "contentEncoding must not name aws-chunked"},
		{"ContentLanguageEmpty", fields{"spec.contentLanguage": ""}, "spec.contentLanguage in body should be at least 1 chars long"},
		{"ContentLanguageLong", fields{"spec.contentLanguage": text(256)}, "spec.contentLanguage: Too long"},
		{"ContentLanguageLongest", fields{"spec.contentLanguage": text(255)}, ""},
		{"ContentLanguageNotASCII", fields{"spec.contentLanguage": "ü"}, "contentLanguage must be printable ASCII"},
		{"ContentDispositionEmpty", fields{"spec.contentDisposition": ""}, "spec.contentDisposition in body should be at least 1 chars long"},
		{"ContentDispositionLong", fields{"spec.contentDisposition": text(1025)}, "spec.contentDisposition: Too long"},
		{"ContentDispositionLongest", fields{"spec.contentDisposition": text(1024)}, ""},
		{"ContentDispositionNotASCII", fields{"spec.contentDisposition": "attachment; filename=ü"}, "contentDisposition must be printable ASCII"},
		{"CacheControlEmpty", fields{"spec.cacheControl": ""}, "spec.cacheControl in body should be at least 1 chars long"},
		{"CacheControlLong", fields{"spec.cacheControl": text(256)}, "spec.cacheControl: Too long"},
		{"CacheControlLongest", fields{"spec.cacheControl": text(255)}, ""},
		{"CacheControlNewline", fields{"spec.cacheControl": "no-store\n"}, "cacheControl must be printable ASCII"},
		{"DescriptionEmpty", fields{"spec.description": ""}, "spec.description in body should be at least 1 chars long"},
		{"DescriptionLongest", fields{"spec.description": text(100)}, ""},
		{"DescriptionLong", fields{"spec.description": text(101)}, "spec.description: Too long"},
		{"TimestampWithMilliseconds", fields{"spec.timestamp": "2026-01-02T03:04:05.678Z"}, ""},
		{"TimestampEmpty", fields{"spec.timestamp": ""}, "spec.timestamp in body should be at least 1 chars long"},
		{"TimestampYear0", fields{"spec.timestamp": "0000-01-01T00:00:00Z"}, "timestamp must be a time of a year from 1 to 9999"},
		// The format allows it, and the rules cannot read it: the record could never be changed.
		{"TimestampInLowerCase", fields{"spec.timestamp": "2026-01-02t03:04:05z"}, "Invalid date-time formatted string"},
		{"TimestampNotATime", fields{"spec.timestamp": "yesterday"}, "spec.timestamp in body must be of type date-time"},
		{"SizeZero", fields{"spec.size": int64(0)}, "spec.size in body should be greater than or equal to 1"},
		{"SizeLargest", fields{"spec.size": int64(50 << 40)}, ""},
		{"SizeLarge", fields{"spec.size": int64(50<<40 + 1)}, "spec.size in body should be less than or equal to"},
		{"IfMatchNegative", fields{"spec.ifMatch": int64(-1)}, "spec.ifMatch in body should be greater than or equal to 0"},
		{"IfMatchLargest", fields{"spec.ifMatch": int64(1<<53 - 2)}, ""},
		{"IfMatchLarge", fields{"spec.ifMatch": int64(1<<53 - 1)}, "spec.ifMatch in body should be less than or equal to"},
		{"CreatedByEmpty", fields{"spec.createdBy": ""}, "spec.createdBy in body should be at least 1 chars long"},
		{"CreatedByLong", fields{"spec.createdBy": text(513)}, "spec.createdBy: Too long"},
		{"CreatedByLongest", fields{"spec.createdBy": text(512)}, ""},
		{"IdempotencyKeyEmpty", fields{"spec.idempotencyKey": ""}, "spec.idempotencyKey in body should be at least 1 chars long"},
		{"IdempotencyKeyLong", fields{"spec.idempotencyKey": text(256)}, "spec.idempotencyKey: Too long"},
		{"IdempotencyKeyLongest", fields{"spec.idempotencyKey": text(255)}, ""},
		{"DesiredStateUnknown", fields{"spec.desiredState": "Paused"}, "spec.desiredState: Unsupported value: \"Paused\""},
		{"DesiredStateCompletedAtOnce", fields{"spec.desiredState": "Completed"}, ""},
		{"DesiredStateAbortedAtOnce", fields{"spec.desiredState": "Aborted"}, ""},
		{"FinalPartNumberZero", fields{"spec.finalPartNumber": int64(0)}, "spec.finalPartNumber in body should be greater than or equal to 1"},
		{"FinalPartNumberLargest", fields{"spec.finalPartNumber": int64(10000)}, ""},
		{"FinalPartNumberLarge", fields{"spec.finalPartNumber": int64(10001)}, "spec.finalPartNumber in body should be less than or equal to 10000"},
		{"TTLZero", fields{"spec.ttl": "0s"}, badTTL},
		{"TTLNegative", fields{"spec.ttl": "-1h"}, badTTL},
		{"TTLDays", fields{"spec.ttl": "2d"}, badTTL},
		{"TTLNoUnit", fields{"spec.ttl": "60"}, badTTL},
		{"TTLText", fields{"spec.ttl": "1 day"}, badTTL},
		{"TTLEmpty", fields{"spec.ttl": ""}, badTTL},
		{"TTLLong", fields{"spec.ttl": "8760h1s"}, badTTL},
		{"TTLLongest", fields{"spec.ttl": "8760h"}, ""},
		{"TTLAsGoWritesIt", fields{"spec.ttl": "1h30m0.5s"}, ""},
		{"TTLMicroseconds", fields{"spec.ttl": "1.5µs"}, ""},
		{"UnknownField", fields{"spec.bytes": int64(1)}, ""}, // pruned; kubectl, which asks for strict validation, refuses it
	})
}

func testUploadDefaults(t *testing.T) {
	got := create(t, uploads, nil)
	for path, want := range map[string]string{"contentType": "application/octet-stream", "desiredState": "Uploading"} {
		if value, _, _ := unstructured.NestedString(got.Object, "spec", path); value != want {
			t.Errorf("spec.%s is %q, want %q", path, value, want)
		}
	}
	if spec, _, _ := unstructured.NestedMap(got.Object, "spec"); len(spec) != 4 {
		t.Errorf("the spec is %v, want the two fields that were set and two defaults", spec)
	}
}

func testUploadImmutability(t *testing.T) {
	cases := []transition{
		{"Nothing", nil, nil, ""},
		{"Labels", nil, fields{"metadata.labels": map[string]any{"a": "b"}}, ""},
		{"Required/EntityIDChanged", nil, fields{"spec.entityID": "f" + entityID[1:]}, "entityID is immutable: create another MultipartUpload instead"},
		{"Required/PathChanged", nil, fields{"spec.path": "b.bin"}, "path is immutable: create another MultipartUpload instead"},
		// contentType has a default: what is removed comes back as the default.
		{"ContentType/Changed", nil, fields{"spec.contentType": "a/b"}, "contentType is immutable: create another MultipartUpload instead"},
		{"ContentType/Removed", fields{"spec.contentType": "a/b"}, fields{"spec.contentType": nil}, "contentType is immutable"},
		{"ContentType/DefaultRemoved", nil, fields{"spec.contentType": nil}, ""},
	}
	const another = ": create another MultipartUpload instead"
	for _, f := range []struct {
		field    string
		old, new any
		advice   string
	}{
		{"storeName", "a", "b", another},
		{"description", "a", "b", another},
		{"timestamp", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.001Z", another},
		{"contentEncoding", "a", "b", another},
		{"contentLanguage", "a", "b", another},
		{"contentDisposition", "a", "b", another},
		{"cacheControl", "a", "b", another},
		{"ifMatch", int64(0), int64(1), another},
		{"size", int64(1), int64(2), another},
		{"createdBy", "a", "b", ""},
		{"idempotencyKey", "a", "b", ""},
		{"requestTime", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", ""},
	} {
		path, message := "spec."+f.field, f.field+" is immutable"+f.advice
		cases = append(cases,
			transition{f.field + "/Changed", fields{path: f.old}, fields{path: f.new}, message},
			transition{f.field + "/AddedLater", nil, fields{path: f.new}, message},
			transition{f.field + "/Removed", fields{path: f.old}, fields{path: nil}, message},
			transition{f.field + "/Kept", fields{path: f.old}, fields{"spec.ttl": "1h"}, ""},
		)
	}
	testSpecChanges(t, uploads, cases)
}

func testUploadSpecChanges(t *testing.T) {
	const (
		writeOnce   = "finalPartNumber is write-once: it fixes where the last part's bytes go"
		onlyForward = "desiredState only moves forward: Uploading, Completed, Aborted"
		completing  = "the file is being assembled, or is complete: it can be aborted only if the completion fails (condition Stalled)"
	)
	completed := func(conditions ...any) fields {
		from := fields{"spec.desiredState": "Completed"}
		if len(conditions) > 0 {
			from["status.conditions"] = conditions
		}
		return from
	}
	abort := fields{"spec.desiredState": "Aborted"}
	testSpecChanges(t, uploads, []transition{
		{"TTLAdded", nil, fields{"spec.ttl": "1h"}, ""},
		{"TTLChanged", fields{"spec.ttl": "1h"}, fields{"spec.ttl": "2h"}, ""},
		{"TTLRemoved", fields{"spec.ttl": "1h"}, fields{"spec.ttl": nil}, ""},

		{"FinalPartNumberAdded", nil, fields{"spec.finalPartNumber": int64(3)}, ""},
		{"FinalPartNumberChanged", fields{"spec.finalPartNumber": int64(3)}, fields{"spec.finalPartNumber": int64(4)}, writeOnce},
		{"FinalPartNumberRemoved", fields{"spec.finalPartNumber": int64(3)}, fields{"spec.finalPartNumber": nil}, writeOnce},

		{"UploadingToCompleted", nil, fields{"spec.desiredState": "Completed"}, ""},
		{"UploadingToAborted", nil, abort, ""},
		{"CompletedToUploading", completed(), fields{"spec.desiredState": "Uploading"}, onlyForward},
		{"CompletedToDefault", completed(), fields{"spec.desiredState": nil}, onlyForward},
		{"AbortedToUploading", abort, fields{"spec.desiredState": "Uploading"}, onlyForward},
		{"AbortedToCompleted", abort, fields{"spec.desiredState": "Completed"}, onlyForward},
		{"AbortedToAborted", abort, abort, ""},

		{"CompletedToAborted/NoStatus", completed(), abort, completing},
		{"CompletedToAborted/NotStalled", completed(condition("Completed", "False")), abort, completing},
		{"CompletedToAborted/StalledFalse", completed(condition("Stalled", "False")), abort, completing},
		{"CompletedToAborted/StalledUnknown", completed(condition("Stalled", "Unknown")), abort, completing},
		{"CompletedToAborted/Ready", completed(condition("Ready", "True"), condition("Completed", "True")), abort, completing},
		{"CompletedToAborted/Stalled", completed(condition("Ready", "False"), condition("Stalled", "True")), abort, ""},
	})
}

func testUploadStatusChanges(t *testing.T) {
	cases := []transition{
		{"Everything", nil, fields{
			"status.phase": "Uploading", "status.storeName": "main", "status.uploadID": "u", "status.objectKey": "k",
			"status.startTime": "2026-01-02T03:04:05Z", "status.expirationTime": "2026-01-04T03:04:05Z",
			"status.completionTime": "2026-01-02T04:04:05Z", "status.fileVersion": int64(0), "status.size": int64(0),
			"status.checksum": "crc64nvme:MN2ofvMjpIQ=", "status.observedGeneration": int64(1),
			"status.progress":   map[string]any{"parts": int64(0), "bytes": int64(0), "displayBytes": "0 B", "lastPartTime": "2026-01-02T03:04:05Z"},
			"status.conditions": []any{condition("Initiated", "True")},
		}, ""},
		{"NoConditions", nil, fields{"status.conditions": []any{}}, ""},
		{"TwoConditionsOfAType", nil, fields{"status.conditions": []any{condition("Ready", "True"), condition("Ready", "False")}}, "Duplicate value"},
		{"TooManyConditions", nil, fields{"status.conditions": manyConditions(17)}, "status.conditions: Too many: 17: must have at most 16 items"},
		{"ManyConditions", nil, fields{"status.conditions": manyConditions(16)}, ""},
		{"PhaseUnknown", nil, fields{"status.phase": "Paused"}, "status.phase: Unsupported value: \"Paused\""},
		{"StoreNameEmpty", nil, fields{"status.storeName": ""}, "storeName in body should be at least 1 chars long"},
		{"StoreNameLong", nil, fields{"status.storeName": text(254)}, "status.storeName: Too long"},
		{"UploadIDEmpty", nil, fields{"status.uploadID": ""}, "uploadID in body should be at least 1 chars long"},
		{"UploadIDLongest", nil, fields{"status.uploadID": text(2048)}, ""},
		{"UploadIDLong", nil, fields{"status.uploadID": text(2049)}, "status.uploadID: Too long"},
		{"BaseETagEmpty", nil, fields{"status.baseETag": ""}, "baseETag in body should be at least 1 chars long"},
		{"BaseETagLong", nil, fields{"status.baseETag": text(1025)}, "status.baseETag: Too long"},
		{"ObjectKeyEmpty", nil, fields{"status.objectKey": ""}, "objectKey in body should be at least 1 chars long"},
		{"ObjectKeyLong", nil, fields{"status.objectKey": text(1025)}, "status.objectKey: Too long"},
		{"ChecksumEmpty", nil, fields{"status.checksum": ""}, "checksum in body should be at least 1 chars long"},
		{"ChecksumLong", nil, fields{"status.checksum": text(257)}, "status.checksum: Too long"},
		{"FileVersionNegative", nil, fields{"status.fileVersion": int64(-1)}, "fileVersion in body should be greater than or equal to 0"},
		{"SizeNegative", nil, fields{"status.size": int64(-1)}, "size in body should be greater than or equal to 0"},
		{"ObservedGenerationBelow", nil, fields{"status.observedGeneration": int64(-2)}, "observedGeneration in body should be greater than or equal to -1"},
		{"ProgressEmpty", nil, fields{"status.progress": map[string]any{}}, "progress in body should have at least 1 properties"},
		{"PartsNegative", nil, fields{"status.progress.parts": int64(-1)}, "progress.parts in body should be greater than or equal to 0"},
		{"BytesNegative", nil, fields{"status.progress.bytes": int64(-1)}, "progress.bytes in body should be greater than or equal to 0"},
		{"PercentNegative", nil, fields{"status.progress.percent": int64(-1)}, "progress.percent in body should be greater than or equal to 0"},
		{"PercentLarge", nil, fields{"status.progress.percent": int64(101)}, "progress.percent in body should be less than or equal to 100"},
		{"DisplayBytesEmpty", nil, fields{"status.progress.displayBytes": ""}, "progress.displayBytes in body should be at least 1 chars long"},
		{"DisplayBytesLong", nil, fields{"status.progress.displayBytes": text(33)}, "status.progress.displayBytes: Too long"},
		{"StatusEmpty", nil, fields{"status": map[string]any{}}, "status: Invalid value: 0:  in body should have at least 1 properties"},
		{"StatusDroppedWhileNothingIsFixed", fields{"status.phase": "Pending"}, fields{"status": nil}, ""},
		{"PhaseChanged", fields{"status.phase": "Pending"}, fields{"status.phase": "Uploading"}, ""},
	}
	for _, field := range []string{"storeName", "uploadID", "objectKey", "baseETag", "startTime"} {
		path, message := "status."+field, field+" is write-once"
		a, b := "a", "b"
		if field == "startTime" {
			a, b = "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"
		}
		cases = append(cases,
			transition{field + "/WrittenOnce", fields{"status.phase": "Pending"}, fields{path: a}, ""},
			transition{field + "/Kept", fields{path: a}, fields{"status.phase": "Pending"}, ""},
			transition{field + "/Changed", fields{path: a}, fields{path: b}, message},
			transition{field + "/Removed", fields{path: a, "status.phase": "Pending"}, fields{path: nil}, message},
			transition{field + "/StatusDropped", fields{path: a}, fields{"status": nil}, message}, // the default takes its place
		)
	}
	testStatusChanges(t, uploads, cases)
}

func manyConditions(n int) []any {
	var conditions []any
	for i := range n {
		conditions = append(conditions, condition("Type"+string(rune('A'+i)), "True"))
	}
	return conditions
}

// create makes an object with the given fields of spec and status, for real.
func create(t *testing.T, k kind, with fields) *unstructured.Unstructured {
	t.Helper()
	wanted := k.object(t, with)
	object, err := k.client().Create(t.Context(), wanted, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status, ok := wanted.Object["status"]
	if !ok {
		return object
	}
	object.Object["status"] = status
	if object, err = k.client().UpdateStatus(t.Context(), object, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return object
}
