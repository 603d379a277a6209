package v1alpha1_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func testStoreCreation(t *testing.T) {
	const (
		badEndpoint = "endpoint must be a URL of scheme and host only, such as https://s3.eu-central-1.amazonaws.com"
		badBucket   = "bucket must be 3 to 63 lower-case letters, digits, dots and dashes, and start and end with a letter or digit"
		badHost     = "endpoint must name a host by letters, digits, dots and dashes or an address, and a port from 1 to 65535 or none"
		badRegion   = "region must be letters, digits and dashes, and start and end with a letter or digit"
		badDots     = "bucket must not hold a dot beside another or a dash, and not look like an address"
		badSecret   = "name must be that of a Secret: lower-case letters, digits, dots and dashes"
		badKeyID    = "accessKeyID must be a key of a Secret that ends like AWS_ACCESS_KEY_ID or AccessKey and does not hold the word secret"
		badToken    = "sessionToken must be a key of a Secret that ends like AWS_SESSION_TOKEN and does not hold the word secret"
		badSecretK  = "secretAccessKey must be a key of a Secret: letters, digits, dots, dashes and underscores"
		badInfo     = "bucketInfo must be a key of a Secret: letters, digits, dots, dashes and underscores"
		twoSources  = "bucketInfo holds all credentials: name it alone, or the keys of a Secret without it"
		badPrefix   = "prefix must end with a slash, not start with one, and hold no empty, . or .. segment"
		badMin      = "minPartSize must be a positive quantity such as 5Mi"
		badMax      = "maxPartSize must be a positive quantity of at most 5Gi, the limit of S3"
	)
	testCreations(t, stores, []creation{
		{"Minimal", nil, ""},
		{"Everything", fields{
			"spec.endpoint": "http://127.0.0.1:7070/", "spec.region": "eu-central-1", "spec.bucket": "iot.files-1", "spec.prefix": "iot/prod/",
			"spec.addressingStyle": "Path", "spec.credentials.secretRef.name": "iot-s3", "spec.tls.caBundle": "LS0t",
			"spec.namespaceSelector": map[string]any{"matchLabels": map[string]any{"iot": "yes"}},
			"spec.limits": map[string]any{
				"minPartSize": "8Mi", "maxPartSize": "64Mi", "maxPartNumber": int64(9999), "maxOpenUploadsPerNamespace": int64(1), "maxUploadTTL": "168h",
			},
			"spec.uploadTTL": "1h", "spec.finishedTTL": "0s", "spec.orphanPolicy": "Abort",
		}, ""},

		{"EndpointMissing", fields{"spec.endpoint": nil}, "spec.endpoint: Required value"},
		{"EndpointEmpty", fields{"spec.endpoint": ""}, "spec.endpoint in body should be at least 1 chars long"},
		{"EndpointLong", fields{"spec.endpoint": "https://" + text(1017)}, "spec.endpoint: Too long"},
		{"EndpointIPv6", fields{"spec.endpoint": "https://[2001:db8::1]:9000"}, ""},
		{"EndpointNoScheme", fields{"spec.endpoint": "s3.example.com"}, badEndpoint},
		{"EndpointNoHost", fields{"spec.endpoint": "https://"}, badEndpoint},
		{"EndpointOtherScheme", fields{"spec.endpoint": "ftp://s3.example.com"}, badEndpoint},
		{"EndpointPath", fields{"spec.endpoint": "https://s3.example.com/bucket"}, badEndpoint},
		{"EndpointQuery", fields{"spec.endpoint": "https://s3.example.com?x=y"}, badEndpoint},
		{"EndpointFragment", fields{"spec.endpoint": "https://s3.example.com/#x"}, badEndpoint},
		{"EndpointPassword", fields{"spec.endpoint": "https://user:secret@s3.example.com"}, badEndpoint},

		{"EndpointPortLast", fields{"spec.endpoint": "https://my_store.s3.example.com.:65535/"}, ""},
		{"EndpointPortZero", fields{"spec.endpoint": "https://s3.example.com:0"}, badHost},
		{"EndpointPortLarge", fields{"spec.endpoint": "https://s3.example.com:65536"}, badHost},
		{"EndpointEscaped", fields{"spec.endpoint": "https://s3%2eexample.com"}, badHost},
		{"EndpointZone", fields{"spec.endpoint": "https://[fe80::1%25eth0]"}, badHost},
		{"EndpointDots", fields{"spec.endpoint": "https://s3..example.com"}, badHost},
		{"EndpointLineBreak", fields{"spec.endpoint": "https://s3.example.com\n"}, badHost},

		{"RegionEmpty", fields{"spec.region": ""}, "spec.region in body should be at least 1 chars long"},
		{"RegionLongest", fields{"spec.region": text(63)}, ""},
		{"RegionLong", fields{"spec.region": text(64)}, "spec.region: Too long"},
		{"RegionCapital", fields{"spec.region": "RegionOne"}, ""},
		{"RegionHost", fields{"spec.region": "x@evil.example:443/#"}, badRegion},
		{"RegionDot", fields{"spec.region": "x.evil.example"}, badRegion},
		{"RegionSlash", fields{"spec.region": "evil/"}, badRegion},
		{"RegionDash", fields{"spec.region": "eu-"}, badRegion},
		{"RegionLineBreak", fields{"spec.region": "eu\n"}, badRegion},

		{"BucketMissing", fields{"spec.bucket": nil}, "spec.bucket: Required value"},
		{"BucketShort", fields{"spec.bucket": "ab"}, "spec.bucket in body should be at least 3 chars long"},
		{"BucketLongest", fields{"spec.bucket": text(63)}, ""},
		{"BucketLong", fields{"spec.bucket": text(64)}, "spec.bucket: Too long"},
		{"BucketUpperCase", fields{"spec.bucket": "Files"}, badBucket},
		{"BucketLeadingDash", fields{"spec.bucket": "-files"}, badBucket},
		{"BucketTrailingDot", fields{"spec.bucket": "files."}, badBucket},
		{"BucketSlash", fields{"spec.bucket": "files/a"}, badBucket},

		{"BucketDots", fields{"spec.bucket": "a..b"}, badDots},
		{"BucketDotDash", fields{"spec.bucket": "a.-b"}, badDots},
		{"BucketAddress", fields{"spec.bucket": "192.0.2.1"}, badDots},

		{"PrefixEmpty", fields{"spec.prefix": ""}, "spec.prefix in body should be at least 1 chars long"},
		{"PrefixLongest", fields{"spec.prefix": text(511) + "/"}, ""},
		{"PrefixLong", fields{"spec.prefix": text(512) + "/"}, "spec.prefix: Too long"},
		{"PrefixNoSlash", fields{"spec.prefix": "iot"}, badPrefix},
		{"PrefixLeadingSlash", fields{"spec.prefix": "/iot/"}, badPrefix},
		{"PrefixOnlySlash", fields{"spec.prefix": "/"}, badPrefix},
		{"PrefixDoubledSlash", fields{"spec.prefix": "a//b/"}, badPrefix},
		{"PrefixDot", fields{"spec.prefix": "./"}, badPrefix},
		{"PrefixDotDot", fields{"spec.prefix": "a/../b/"}, badPrefix},
		{"PrefixDotsInNames", fields{"spec.prefix": ".a/b../"}, ""},
		{"PrefixControl", fields{"spec.prefix": "a\tb/"}, "prefix must not hold control characters"},

		{"AddressingStyleUnknown", fields{"spec.addressingStyle": "Host"}, "spec.addressingStyle: Unsupported value: \"Host\""},
		{"CredentialsEmpty", fields{"spec.credentials": map[string]any{}}, "spec.credentials in body should have at least 1 properties"},
		{"SecretNameMissing", fields{"spec.credentials.secretRef": map[string]any{}}, "spec.credentials.secretRef.name: Required value"},
		{"SecretNameEmpty", fields{"spec.credentials.secretRef.name": ""}, "spec.credentials.secretRef.name in body should be at least 1 chars long"},
		{"SecretNameSlash", fields{"spec.credentials.secretRef.name": "../secrets/x"}, badSecret},
		{"SecretNameCapital", fields{"spec.credentials.secretRef.name": "Keys"}, badSecret},
		{"SecretNameLong", fields{"spec.credentials.secretRef.name": text(254)}, "spec.credentials.secretRef.name: Too long"},
		{"SecretKeysEmpty", fields{"spec.credentials.secretRef": map[string]any{"name": "a", "keys": map[string]any{}}}, "spec.credentials.secretRef.keys in body should have at least 1 properties"},
		{"SecretKeysOfRook", secretKeys("accessKeyID", "AWS_ACCESS_KEY_ID", "secretAccessKey", "AWS_SECRET_ACCESS_KEY", "sessionToken", "AWS_SESSION_TOKEN"), ""},
		{"SecretKeysOfRookUser", secretKeys("accessKeyID", "AccessKey", "secretAccessKey", "SecretKey"), ""},
		{"SecretKeysOfCOSI", secretKeys("accessKeyID", "COSI_S3_ACCESS_KEY_ID", "secretAccessKey", "COSI_S3_ACCESS_SECRET_KEY"), ""},
		{"SecretKeysBucketInfo", secretKeys("bucketInfo", "BucketInfo"), ""},
		{"SecretKeysBucketInfoAndID", secretKeys("bucketInfo", "BucketInfo", "accessKeyID", "AWS_ACCESS_KEY_ID"), twoSources},
		{"SecretKeysBucketInfoAndSecret", secretKeys("bucketInfo", "BucketInfo", "secretAccessKey", "AWS_SECRET_ACCESS_KEY"), twoSources},
		{"SecretKeysBucketInfoAndToken", secretKeys("bucketInfo", "BucketInfo", "sessionToken", "AWS_SESSION_TOKEN"), twoSources},
		{"AccessKeyIDEmpty", secretKeys("accessKeyID", ""), "spec.credentials.secretRef.keys.accessKeyID in body should be at least 1 chars long"},
		{"AccessKeyIDLongest", secretKeys("accessKeyID", text(244)+"accesskey"), ""},
		{"AccessKeyIDLong", secretKeys("accessKeyID", text(245)+"accesskey"), "spec.credentials.secretRef.keys.accessKeyID: Too long"},
		{"AccessKeyIDSecretKey", secretKeys("accessKeyID", "secretAccessKey"), badKeyID},
		{"AccessKeyIDSecretKeyOfRook", secretKeys("accessKeyID", "AWS_SECRET_ACCESS_KEY"), badKeyID},
		{"AccessKeyIDSecretKeyOfRookUser", secretKeys("accessKeyID", "SecretKey"), badKeyID},
		{"AccessKeyIDSecretKeyOfCOSI", secretKeys("accessKeyID", "COSI_S3_ACCESS_SECRET_KEY"), badKeyID},
		{"AccessKeyIDBucketInfo", secretKeys("accessKeyID", "BucketInfo"), badKeyID},
		{"AccessKeyIDTLSKey", secretKeys("accessKeyID", "tls.key"), badKeyID},
		{"AccessKeyIDSlash", secretKeys("accessKeyID", "a/accessKeyID"), badKeyID},
		{"SecretAccessKeyEmpty", secretKeys("secretAccessKey", ""), "spec.credentials.secretRef.keys.secretAccessKey in body should be at least 1 chars long"},
		{"SecretAccessKeyLong", secretKeys("secretAccessKey", text(254)), "spec.credentials.secretRef.keys.secretAccessKey: Too long"},
		{"SecretAccessKeySlash", secretKeys("secretAccessKey", "a/b"), badSecretK},
		{"SessionTokenEmpty", secretKeys("sessionToken", ""), "spec.credentials.secretRef.keys.sessionToken in body should be at least 1 chars long"},
		{"SessionTokenLong", secretKeys("sessionToken", text(242)+"sessiontoken"), "spec.credentials.secretRef.keys.sessionToken: Too long"},
		{"SessionTokenSecretKey", secretKeys("sessionToken", "AWS_SECRET_ACCESS_KEY"), badToken},
		{"SessionTokenSecretToken", secretKeys("sessionToken", "secret-session-token"), badToken},
		{"BucketInfoEmpty", secretKeys("bucketInfo", ""), "spec.credentials.secretRef.keys.bucketInfo in body should be at least 1 chars long"},
		{"BucketInfoLong", secretKeys("bucketInfo", text(254)), "spec.credentials.secretRef.keys.bucketInfo: Too long"},
		{"BucketInfoPath", secretKeys("bucketInfo", "BucketInfo.spec/x"), badInfo},
		{"TLSEmpty", fields{"spec.tls": map[string]any{}}, "spec.tls in body should have at least 1 properties"},
		{"CABundleEmpty", fields{"spec.tls.caBundle": ""}, "spec.tls.caBundle in body should be at least 1 chars long"},
		{"CABundleNotBase64", fields{"spec.tls.caBundle": "-----BEGIN"}, "spec.tls.caBundle in body must be of type byte"},
		{"CABundleLong", fields{"spec.tls.caBundle": text(1<<20 + 4)}, "spec.tls.caBundle: Too long"},

		{"LimitsEmpty", fields{"spec.limits": map[string]any{}}, ""}, // the defaults of its fields fill it
		{"MinPartSizeNumber", fields{"spec.limits.minPartSize": int64(6 << 20)}, ""},
		{"MinPartSizeText", fields{"spec.limits.minPartSize": "five"}, badMin},
		{"MinPartSizeZero", fields{"spec.limits.minPartSize": "0"}, badMin},
		{"MinPartSizeNegative", fields{"spec.limits.minPartSize": int64(-1)}, badMin},
		{"MinPartSizeLong", fields{"spec.limits.minPartSize": "1" + text(32)}, "spec.limits.minPartSize: Too long"},
		{"MaxPartSizeLargest", fields{"spec.limits.maxPartSize": "5Gi"}, ""},
		{"MaxPartSizeLarge", fields{"spec.limits.maxPartSize": "5368709121"}, badMax},
		{"MaxPartSizeText", fields{"spec.limits.maxPartSize": "big"}, badMax},
		{"MaxPartSizeZero", fields{"spec.limits.maxPartSize": int64(0)}, badMax},
		{"MaxPartSizeLong", fields{"spec.limits.maxPartSize": "1" + text(32)}, "spec.limits.maxPartSize: Too long"},
		{"MinEqualsMax", fields{"spec.limits.minPartSize": "8Mi", "spec.limits.maxPartSize": "8192Ki"}, ""},
		{"MinAboveMax", fields{"spec.limits.minPartSize": "9Mi", "spec.limits.maxPartSize": "8Mi"}, "minPartSize must not be larger than maxPartSize"},
		{"MaxBelowDefaultMin", fields{"spec.limits.maxPartSize": "1Mi"}, "minPartSize must not be larger than maxPartSize"},
		{"MaxPartNumberZero", fields{"spec.limits.maxPartNumber": int64(0)}, "spec.limits.maxPartNumber in body should be greater than or equal to 1"},
		{"MaxPartNumberLarge", fields{"spec.limits.maxPartNumber": int64(10000)}, "spec.limits.maxPartNumber in body should be less than or equal to 9999"},
		{"MaxOpenUploadsZero", fields{"spec.limits.maxOpenUploadsPerNamespace": int64(0)}, "spec.limits.maxOpenUploadsPerNamespace in body should be greater than or equal to 1"},
		{"IncompleteBytesNumber", fields{"spec.limits.maxIncompleteBytesPerNamespace": int64(1)}, ""},
		{"IncompleteBytesZero", fields{"spec.limits.maxIncompleteBytesPerNamespace": "0"}, "maxIncompleteBytesPerNamespace must be a positive quantity such as 500Gi"},
		{"IncompleteBytesLong", fields{"spec.limits.maxIncompleteBytesPerNamespace": "1" + text(32)}, "spec.limits.maxIncompleteBytesPerNamespace: Too long"},
		{"PartsPerSecondZero", fields{"spec.limits.partsPerSecondPerNamespace": int64(0)}, "spec.limits.partsPerSecondPerNamespace in body should be greater than or equal to 1"},
		{"BytesPerSecondSmallest", fields{"spec.limits.bytesPerSecondPerNamespace": "1Ki"}, ""},
		{"BytesPerSecondSmall", fields{"spec.limits.bytesPerSecondPerNamespace": int64(1023)}, "bytesPerSecondPerNamespace must be a quantity of at least 1Ki, such as 50Mi"},
		{"BytesPerSecondLong", fields{"spec.limits.bytesPerSecondPerNamespace": "1" + text(32)}, "spec.limits.bytesPerSecondPerNamespace: Too long"},

		{"MaxUploadTTLBelowTheDefault", fields{"spec.limits.maxUploadTTL": "1h"}, ""},
		{"MaxUploadTTLZero", fields{"spec.limits.maxUploadTTL": "0s"}, "maxUploadTTL must be a duration such as 90m or 48h, positive and at most 8760h"},
		{"MaxUploadTTLDays", fields{"spec.limits.maxUploadTTL": "2d"}, "maxUploadTTL must be a duration such as 90m or 48h, positive and at most 8760h"},
		{"MaxUploadTTLLong", fields{"spec.limits.maxUploadTTL": "8761h"}, "maxUploadTTL must be a duration such as 90m or 48h, positive and at most 8760h"},
		{"UploadTTLZero", fields{"spec.uploadTTL": "0s"}, "uploadTTL must be a duration such as 90m or 48h, positive and at most 8760h"},
		{"UploadTTLDays", fields{"spec.uploadTTL": "2d"}, "uploadTTL must be a duration such as 90m or 48h, positive and at most 8760h"},
		{"UploadTTLLong", fields{"spec.uploadTTL": "8761h"}, "uploadTTL must be a duration such as 90m or 48h, positive and at most 8760h"},
		{"FinishedTTLNegative", fields{"spec.finishedTTL": "-1s"}, "finishedTTL must be a duration such as 0s, 90m or 48h, at most 8760h"},
		{"FinishedTTLLong", fields{"spec.finishedTTL": "8761h"}, "finishedTTL must be a duration such as 0s, 90m or 48h, at most 8760h"},
		{"OrphanPolicyUnknown", fields{"spec.orphanPolicy": "Delete"}, "spec.orphanPolicy: Unsupported value: \"Delete\""},
	})
}

// secretKeys has the store name the keys of its Secret: fields and their values in turn.
func secretKeys(pairs ...string) fields {
	keys := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		keys[pairs[i]] = pairs[i+1]
	}
	return fields{"spec.credentials.secretRef": map[string]any{"name": "iot-s3", "keys": keys}}
}

func testStoreDefaults(t *testing.T) {
	full := map[string]any{
		"endpoint": "https://s3.example.com", "bucket": "iot", "region": "us-east-1", "addressingStyle": "Auto",
		"uploadTTL": "48h", "finishedTTL": "1h", "orphanPolicy": "Auto",
		"limits": map[string]any{"minPartSize": "5Mi", "maxPartSize": "5Gi", "maxPartNumber": int64(1000)},
	}
	for name, with := range map[string]fields{
		"LimitsAbsent": nil,
		"LimitsEmpty":  {"spec.limits": map[string]any{}},
		"LimitsPartly": {"spec.limits.maxPartNumber": int64(1000)},
	} {
		t.Run(name, func(t *testing.T) {
			spec, _, _ := unstructured.NestedMap(create(t, stores, with).Object, "spec")
			if diff := cmp.Diff(full, spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

// testStoreDefaultsInCode: what code takes for an object that the API server has not defaulted is
// what the schema says.
func testStoreDefaultsInCode(t *testing.T) {
	fs := &v1alpha1.FileStore{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(create(t, stores, nil).Object, fs); err != nil {
		t.Fatal(err)
	}
	if got := upload.LimitsOf(fs); got != upload.DefaultLimits {
		t.Errorf("the limits are %+v, and in code %+v", got, upload.DefaultLimits)
	}
	for name, ttl := range map[string]struct {
		schema *metav1.Duration
		code   time.Duration
	}{
		"uploadTTL": {fs.Spec.UploadTTL, upload.DefaultUploadTTL}, "finishedTTL": {fs.Spec.FinishedTTL, upload.DefaultFinishedTTL},
	} {
		if ttl.schema == nil || ttl.schema.Duration != ttl.code {
			t.Errorf("%s is %v, and in code %s", name, ttl.schema, ttl.code)
		}
	}
}

func testStoreSpecChanges(t *testing.T) {
	const (
		movedBucket = "bucket is immutable: make another FileStore"
		movedPrefix = "prefix is immutable: make another FileStore"
	)
	testSpecChanges(t, stores, []transition{
		{"SecretChanged", fields{"spec.credentials.secretRef.name": "a"}, fields{"spec.credentials.secretRef.name": "b"}, ""},
		{"CredentialsRemoved", fields{"spec.credentials.secretRef.name": "a"}, fields{"spec.credentials": nil}, ""},
		{"EndpointMoved", nil, fields{"spec.endpoint": "https://s3.example.org"}, ""},
		{"BucketMoved", nil, fields{"spec.bucket": "another"}, movedBucket},
		{"PrefixMoved", fields{"spec.prefix": "a/"}, fields{"spec.prefix": "b/"}, movedPrefix},
		{"PrefixAdded", nil, fields{"spec.prefix": "a/"}, movedPrefix},
		{"PrefixRemoved", fields{"spec.prefix": "a/"}, fields{"spec.prefix": nil}, movedPrefix},
		{"PrefixKept", fields{"spec.prefix": "a/"}, fields{"spec.region": "eu-central-1"}, ""},
	})
}

func testStoreStatusChanges(t *testing.T) {
	testStatusChanges(t, stores, []transition{
		{"Everything", nil, fields{
			"status.capabilities": map[string]any{
				"payloadMode": "TrailingCRC64NVME", "conditionalComplete": false, "uploadListing": "ExactKey",
				"conditionalPut": true, "conditionalCreate": true, "matchETag": "Bare",
				"keys": map[string]any{"maxBytes": int64(970), "maxSegmentBytes": int64(255), "backslashIsSlash": true},
			},
			"status.openUploads": int64(0), "status.orphans": int64(0), "status.orphanPolicy": "Abort", "status.lastProbeTime": "2026-01-02T03:04:05Z", "status.observedGeneration": int64(1),
			"status.conditions":              []any{condition("Ready", "True"), condition("Protected", "False")},
			"status.lastSuccessfulProbeTime": "2026-01-02T03:04:05Z",
		}, ""},
		{"StatusEmpty", nil, fields{"status": map[string]any{}}, "status: Invalid value: 0:  in body should have at least 1 properties"},
		{"NoConditions", nil, fields{"status.conditions": []any{}}, ""},
		{"TooManyConditions", nil, fields{"status.conditions": manyConditions(17)}, "status.conditions: Too many: 17: must have at most 16 items"},
		{"CapabilitiesEmpty", nil, fields{"status.capabilities": map[string]any{}}, "capabilities in body should have at least 1 properties"},
		{"PayloadModeUnknown", nil, fields{"status.capabilities.payloadMode": "MD5"}, "status.capabilities.payloadMode: Unsupported value: \"MD5\""},
		{"MatchETagUnknown", nil, fields{"status.capabilities.matchETag": "Weak"}, "status.capabilities.matchETag: Unsupported value: \"Weak\""},
		{"KeysEmpty", nil, fields{"status.capabilities.keys": map[string]any{}}, "capabilities.keys in body should have at least 1 properties"},
		{"KeysOfNoByte", nil, fields{"status.capabilities.keys.maxBytes": int64(0)}, "capabilities.keys.maxBytes in body should be greater than or equal to 1"},
		{"SegmentsOfNoByte", nil, fields{"status.capabilities.keys.maxSegmentBytes": int64(0)}, "capabilities.keys.maxSegmentBytes in body should be greater than or equal to 1"},
		{"UploadListingUnknown", nil, fields{"status.capabilities.uploadListing": "All"}, "status.capabilities.uploadListing: Unsupported value: \"All\""},
		{"Secret", nil, fields{"status.secret": map[string]any{"name": "keys", "consent": "Overdue"}}, ""},
		{"SecretNameMissing", nil, fields{"status.secret": map[string]any{"consent": "Given"}}, "status.secret.name: Required value"},
		{"SecretNameEmpty", nil, fields{"status.secret": map[string]any{"name": "", "consent": "Given"}}, "secret.name in body should be at least 1 chars long"},
		{"SecretNameLong", nil, fields{"status.secret": map[string]any{"name": text(254), "consent": "Given"}}, "status.secret.name: Too long"},
		{"SecretConsentMissing", nil, fields{"status.secret": map[string]any{"name": "keys"}}, "status.secret.consent: Required value"},
		{"SecretConsentUnknown", nil, fields{"status.secret": map[string]any{"name": "keys", "consent": "Maybe"}}, "status.secret.consent: Unsupported value"},
		{"OrphanPolicyUnknown", nil, fields{"status.orphanPolicy": "Never"}, "status.orphanPolicy: Unsupported value: \"Never\""},
		{"OrphansNegative", nil, fields{"status.orphans": int64(-1)}, "orphans in body should be greater than or equal to 0"},
		{"OpenUploadsNegative", nil, fields{"status.openUploads": int64(-1)}, "openUploads in body should be greater than or equal to 0"},
		{"ObservedGenerationBelow", nil, fields{"status.observedGeneration": int64(-2)}, "observedGeneration in body should be greater than or equal to -1"},
	})
}
