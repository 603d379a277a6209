package kubesource

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// credentialsOf reads the credentials out of the Secret, under the keys that the FileStore names.
// The error is of kind ErrSecretKey. It names keys, never what they hold.
func credentialsOf(secret *corev1.Secret, keys *v1alpha1.SecretKeys) (*filestore.Credentials, error) {
	if keys == nil {
		keys = &v1alpha1.SecretKeys{}
	}
	if keys.BucketInfo != "" {
		return bucketInfo(secret, keys.BucketInfo)
	}
	read := filestore.Credentials{}
	for _, part := range []struct {
		named, usual string
		needed       bool
		into         *string
	}{
		{keys.AccessKeyID, v1alpha1.SecretKeyAccessKeyID, true, &read.AccessKeyID},
		{keys.SecretAccessKey, v1alpha1.SecretKeySecretAccessKey, true, &read.SecretAccessKey},
		// Who names a session token has temporary credentials: without it the store would refuse
		// them, and not say why.
		{keys.SessionToken, v1alpha1.SecretKeySessionToken, keys.SessionToken != "", &read.SessionToken},
	} {
		key := part.named
		if key == "" {
			key = part.usual
		}
		value := secret.Data[key]
		if len(value) == 0 && part.needed {
			return nil, lacks(secret, key)
		}
		*part.into = string(value)
	}
	return &read, nil
}

// bucketInfoDocument is the part of interest of a BucketInfo, as the controllers of
// objectstorage.k8s.io/v1alpha1 (COSI v0.2) write it: client/apis/bucket_info.go of
// kubernetes-sigs/container-object-storage-interface.
type bucketInfoDocument struct {
	Spec struct {
		SecretS3 *struct {
			AccessKeyID     string `json:"accessKeyID"`
			AccessSecretKey string `json:"accessSecretKey"`
		} `json:"secretS3"`
	} `json:"spec"`
}

// bucketInfo reads the credentials out of a BucketInfo. What the JSON decoder says of it is not
// told, since it quotes the text.
func bucketInfo(secret *corev1.Secret, key string) (*filestore.Credentials, error) {
	data := secret.Data[key]
	if len(data) == 0 {
		return nil, lacks(secret, key)
	}
	refused := func(why string) error {
		return filestore.NewConfigError(filestore.ErrSecretKey, "key %q of Secret %s/%s %s", key, secret.Namespace, secret.Name, why)
	}
	if !json.Valid(data) {
		return nil, refused("is not JSON: it must be a BucketInfo, as a BucketAccess of objectstorage.k8s.io/v1alpha1 has it written")
	}
	var document bucketInfoDocument
	if json.Unmarshal(data, &document) != nil {
		return nil, refused("is not a BucketInfo, as a BucketAccess of objectstorage.k8s.io/v1alpha1 has it written")
	}
	s3 := document.Spec.SecretS3
	switch {
	case s3 == nil:
		return nil, refused("has no spec.secretS3: the BucketAccess must ask for the protocol S3")
	case s3.AccessKeyID == "":
		return nil, refused("has no spec.secretS3.accessKeyID: the BucketAccessClass must have the authenticationType Key")
	case s3.AccessSecretKey == "":
		return nil, refused("has no spec.secretS3.accessSecretKey: the BucketAccessClass must have the authenticationType Key")
	}
	return &filestore.Credentials{AccessKeyID: s3.AccessKeyID, SecretAccessKey: s3.AccessSecretKey}, nil
}

// lacks says that the Secret has no such key, and which it has.
func lacks(secret *corev1.Secret, key string) error {
	const most = 8
	names := slices.Sorted(maps.Keys(secret.Data))
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	has := "no keys"
	if len(names) > 0 {
		has = `the keys "` + strings.Join(names, `", "`) + `"` + more
	}
	return filestore.NewConfigError(filestore.ErrSecretKey, "key %q of Secret %s/%s is missing or empty; it has %s: "+
		"name the right one in spec.credentials.secretRef.keys of the FileStore, or put it into the Secret", key, secret.Namespace, secret.Name, has)
}
