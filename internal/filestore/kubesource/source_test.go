package kubesource_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/kubesource"
)

func secret(namespace, name string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{v1alpha1.AnnotationStores: "*"}},
		Data:       map[string][]byte{},
	}
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	return s
}

func store(name, secretName string, generation, observed int64) *v1alpha1.FileStore {
	fs := &v1alpha1.FileStore{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: generation},
		Spec: v1alpha1.FileStoreSpec{
			Endpoint: "https://s3.example.com", Region: "eu-central-1", Bucket: "files", Prefix: "iot/", AddressingStyle: v1alpha1.AddressingPath,
			TLS: &v1alpha1.FileStoreTLS{CABundle: []byte("pem")},
		},
		Status: v1alpha1.FileStoreStatus{
			ObservedGeneration: new(observed),
			Capabilities:       &v1alpha1.FileStoreCapabilities{PayloadMode: v1alpha1.PayloadTrailingCRC32C, ListingMetadata: new(true)},
		},
	}
	if secretName != "" {
		fs.Spec.Credentials = &v1alpha1.FileStoreCredentials{SecretRef: &v1alpha1.SecretReference{Name: secretName}}
	}
	return fs
}

// TestSecretKeys reads Secrets as others write them. None of what it refuses has a word of a value
// in its message.
func TestSecretKeys(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	aws := &v1alpha1.SecretKeys{AccessKeyID: "AWS_ACCESS_KEY_ID", SecretAccessKey: "AWS_SECRET_ACCESS_KEY"}
	token := &v1alpha1.SecretKeys{AccessKeyID: "AWS_ACCESS_KEY_ID", SecretAccessKey: "AWS_SECRET_ACCESS_KEY", SessionToken: "AWS_SESSION_TOKEN"}
	info := &v1alpha1.SecretKeys{BucketInfo: "BucketInfo"}
	document := func(text string) map[string]string { return map[string]string{"BucketInfo": text} }
	for name, c := range map[string]struct {
		keys *v1alpha1.SecretKeys
		data map[string]string
		want filestore.Credentials
		text string // of the error
	}{
		"AWS": {
			aws,
			map[string]string{"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "hunter2", "sessionToken": "another"},
			filestore.Credentials{AccessKeyID: "k", SecretAccessKey: "hunter2", SessionToken: "another"},
			"",
		},
		"one of them": {
			&v1alpha1.SecretKeys{SecretAccessKey: "SecretKey"},
			map[string]string{"accessKeyID": "k", "SecretKey": "hunter2"},
			filestore.Credentials{AccessKeyID: "k", SecretAccessKey: "hunter2"},
			"",
		},
		"temporary": {
			token,
			map[string]string{"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_SESSION_TOKEN": "t"},
			filestore.Credentials{AccessKeyID: "k", SecretAccessKey: "hunter2", SessionToken: "t"},
			"",
		},
		"COSI": {
			info, document(`{"metadata":{"name":"bc-1"},"spec":{"bucketName":"b","authenticationType":"KEY","secretS3":{"endpoint":"https://s3.example.com",` +
				`"region":"r","accessKeyID":"k","accessSecretKey":"hunter2"},"secretAzure":null,"protocols":["s3"]}}`),
			filestore.Credentials{AccessKeyID: "k", SecretAccessKey: "hunter2"},
			"",
		},

		"default keys": {
			aws,
			map[string]string{"accessKeyID": "k", "secretAccessKey": "hunter2"},
			filestore.Credentials{},
			`key "AWS_ACCESS_KEY_ID" of Secret system/keys is missing or empty; it has the keys "accessKeyID", "secretAccessKey"`,
		},
		"keys of others":   {nil, map[string]string{"AWS_SECRET_ACCESS_KEY": "hunter2"}, filestore.Credentials{}, `key "accessKeyID" of Secret system/keys is missing or empty; it has the keys "AWS_SECRET_ACCESS_KEY": name`},
		"no token":         {token, map[string]string{"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "hunter2"}, filestore.Credentials{}, `"AWS_SESSION_TOKEN" of Secret system/keys is missing or empty`},
		"nothing":          {aws, nil, filestore.Credentials{}, "it has no keys"},
		"no document":      {info, map[string]string{"AWS_SECRET_ACCESS_KEY": "hunter2"}, filestore.Credentials{}, `key "BucketInfo" of Secret system/keys is missing or empty`},
		"broken":           {info, document(`{"spec":{"secretS3":{"accessKeyID":"hunter2`), filestore.Credentials{}, `key "BucketInfo" of Secret system/keys is not JSON`},
		"more than one":    {info, document(`{"spec":{"secretS3":{"accessKeyID":"k","accessSecretKey":"hunter2"}}}{}`), filestore.Credentials{}, "is not JSON"},
		"no object":        {info, document(`["hunter2"]`), filestore.Credentials{}, "is not a BucketInfo"},
		"other types":      {info, document(`{"spec":{"secretS3":{"accessKeyID":1234567890,"accessSecretKey":"hunter2"}}}`), filestore.Credentials{}, "is not a BucketInfo"},
		"of another kind":  {info, document(`{"spec":{"secretAzure":{"accessToken":"hunter2"},"protocols":["azure"]}}`), filestore.Credentials{}, "has no spec.secretS3"},
		"by identity":      {info, document(`{"spec":{"authenticationType":"IAM","secretS3":{"endpoint":"hunter2"}}}`), filestore.Credentials{}, "spec.secretS3.accessKeyID"},
		"no secret key":    {info, document(`{"spec":{"secretS3":{"accessKeyID":"hunter2"}}}`), filestore.Credentials{}, "spec.secretS3.accessSecretKey"},
		"a table of names": {aws, map[string]string{"hunter-1": "", "hunter-3": "", "a": "", "b": "", "c": "", "d": "", "e": "", "f": "", "g": "", "h": ""}, filestore.Credentials{}, `"h" and 2 more`},
	} {
		fs := store("main", "keys", 1, 1)
		fs.Spec.Credentials.SecretRef.Keys = c.keys
		reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(fs, secret("system", "keys", c.data)).Build()
		got, err := kubesource.New(reader, "system").StoreConfig(t.Context(), "main")
		if c.text == "" {
			if err != nil || got.Credentials == nil || *got.Credentials != c.want {
				t.Errorf("%s: %#v, %v", name, got.Credentials, err)
			}
			continue
		}
		var refused *filestore.ConfigError
		if !errors.Is(err, filestore.ErrSecretKey) || !errors.As(err, &refused) || !strings.Contains(refused.Message, c.text) {
			t.Errorf("%s: %v, want %s", name, err, c.text)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "1234567890") {
			t.Errorf("%s: the message has what is secret: %v", name, err)
		}
	}
}

func TestStoreConfig(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	private := secret("system", "private", map[string]string{"accessKeyID": "k", "secretAccessKey": "s"})
	private.Annotations[v1alpha1.AnnotationStores] = "others"
	fresh := store("fresh", "private", 1, -1)
	fresh.Status.Capabilities = nil
	revoked := store("revoked", "private", 1, 1)
	revoked.Status.Secret = &v1alpha1.FileStoreSecretStatus{Name: "private", Consent: v1alpha1.SecretConsentGiven}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects([]client.Object{
		store("probed", "good", 3, 3), store("changed", "good", 4, 3), store("ambient", "", 1, 1),
		store("no-secret", "gone", 1, 1), store("other-namespace", "elsewhere", 1, 1), store("half", "half", 1, 1), store("empty", "empty", 1, 1),
		private, fresh, revoked, store("before", "private", 1, 1), store("borrowed", "private", 2, 1),
		secret("system", "good", map[string]string{"accessKeyID": "k", "secretAccessKey": "s", "sessionToken": "t"}),
		secret("system", "half", map[string]string{"accessKeyID": "k"}),
		secret("system", "empty", map[string]string{"accessKeyID": "", "secretAccessKey": "s"}),
		secret("default", "elsewhere", map[string]string{"accessKeyID": "k", "secretAccessKey": "s"}),
	}...).Build()
	src := kubesource.New(reader, "system")

	base := filestore.Config{
		Endpoint: "https://s3.example.com", Region: "eu-central-1", Bucket: "files", Prefix: "iot/",
		AddressingStyle: v1alpha1.AddressingPath, CABundle: []byte("pem"),
	}
	keys := &filestore.Credentials{AccessKeyID: "k", SecretAccessKey: "s", SessionToken: "t"}
	for name, want := range map[string]func(*filestore.Config){
		"probed": func(c *filestore.Config) {
			c.Credentials, c.PayloadMode, c.ListingMetadata = keys, v1alpha1.PayloadTrailingCRC32C, true
		},
		"before": func(c *filestore.Config) { // Secrets were asked
			c.Credentials, c.PayloadMode, c.ListingMetadata = &filestore.Credentials{AccessKeyID: "k", SecretAccessKey: "s"}, v1alpha1.PayloadTrailingCRC32C, true
		},
		"changed": func(c *filestore.Config) { c.Credentials = keys }, // what was probed was another spec
		"ambient": func(c *filestore.Config) { c.PayloadMode, c.ListingMetadata = v1alpha1.PayloadTrailingCRC32C, true },
	} {
		got, err := src.StoreConfig(t.Context(), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		config := base
		config.Name = name
		want(&config)
		if diff := cmp.Diff(config, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, want := range map[string]struct {
		err  error
		text string
	}{
		"nowhere":         {filestore.ErrStoreNotFound, "nowhere"},
		"no-secret":       {filestore.ErrSecretNotFound, "system/gone"},
		"other-namespace": {filestore.ErrSecretNotFound, "system/elsewhere"},
		"half":            {filestore.ErrSecretKey, `"secretAccessKey"`},
		"empty":           {filestore.ErrSecretKey, `"accessKeyID"`},
		"fresh":           {filestore.ErrSecretConsent, "iotfile.dev/stores=fresh"},
		"revoked":         {filestore.ErrSecretConsent, "system/private"},
		"borrowed":        {filestore.ErrSecretConsent, "system/private"},
	} {
		_, err := src.StoreConfig(t.Context(), name)
		if !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v, want %v that names %s", name, err, want.err, want.text)
		}
	}
}
