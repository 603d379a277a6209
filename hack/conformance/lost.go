package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// lost: an upload that object storage has dropped by itself is told as such, and its file is free
// soon.
func (f *flow) lost(ctx context.Context) error {
	path := f.name("lost")
	key := f.settings.store.Prefix + "default/" + strings.TrimPrefix(path, "/api/iotfile/v3/files/")
	if _, err := f.want(ctx, http.StatusCreated, http.MethodPut, path+"?upload=start", nil); err != nil {
		return err
	}
	if err := f.drop(ctx, key); err != nil {
		return err
	}
	got, err := f.do(ctx, 0, http.MethodPut, path+"?part=1", bytes.NewReader(random(minPart)), minPart)
	if err != nil {
		return err
	}
	if got.status != http.StatusConflict {
		return fmt.Errorf("a part of it is answered with %d %s", got.status, clip(got.body))
	}
	for began := time.Now(); ; time.Sleep(time.Second) {
		got, err := f.do(ctx, 0, http.MethodPut, path+"?upload=start", nil, 0)
		switch {
		case err != nil:
			return err
		case got.status == http.StatusCreated:
			_, err := f.want(ctx, http.StatusNoContent, http.MethodPut, path+"?upload=abort", nil)
			return err
		case time.Since(began) > time.Minute:
			return fmt.Errorf("a minute later, a start is answered with %d %s", got.status, clip(got.body))
		}
	}
}

// drop aborts the uploads of a key past the operator.
func (f *flow) drop(ctx context.Context, key string) error {
	store := &f.settings.store
	host, secure := strings.CutPrefix(store.Endpoint, "https://")
	client, err := minio.NewCore(strings.TrimPrefix(host, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(store.AccessKey, store.SecretKey, ""), Region: store.Region, Secure: secure,
	})
	if err != nil {
		return err
	}
	page, err := client.ListMultipartUploads(ctx, store.Bucket, key, "", "", "", 10)
	if err != nil {
		return err
	}
	if len(page.Uploads) != 1 {
		return errLeftOut // it lists none, so nobody can name it
	}
	return client.AbortMultipartUpload(ctx, store.Bucket, key, page.Uploads[0].UploadID)
}
