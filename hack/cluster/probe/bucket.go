package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// objectStore is the store as its owner sees it, past the operator.
func objectStore() (*minio.Client, error) {
	return minio.New(os.Getenv("STORE_ENDPOINT"), &minio.Options{
		Creds: credentials.NewStaticV4(os.Getenv("STORE_ACCESS_KEY"), os.Getenv("STORE_SECRET_KEY"), ""), Region: os.Getenv("STORE_REGION"),
	})
}

// bucket makes the bucket that is its argument, as soon as the store can be reached.
func bucket(ctx context.Context, args []string) error {
	client, err := objectStore()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := client.MakeBucket(ctx, args[0], minio.MakeBucketOptions{})
		if err == nil {
			return nil
		}
		if exists, _ := client.BucketExists(ctx, args[0]); exists {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("make the bucket: %w", err)
		case <-time.After(time.Second):
		}
	}
}

// leftovers fails when uploads are open in the bucket that is its argument, and prints how many
// files are in it.
func leftovers(ctx context.Context, args []string) error {
	client, err := objectStore()
	if err != nil {
		return err
	}
	var errs []error
	for open := range client.ListIncompleteUploads(ctx, args[0], "", true) {
		errs = append(errs, errors.Join(open.Err, fmt.Errorf("the upload of %s is open", open.Key)))
	}
	files := 0
	for object := range client.ListObjects(ctx, args[0], minio.ListObjectsOptions{Recursive: true}) {
		errs = append(errs, object.Err)
		files++
	}
	errs = append(errs, json.NewEncoder(os.Stdout).Encode(map[string]int{"files": files}))
	return errors.Join(errs...)
}
