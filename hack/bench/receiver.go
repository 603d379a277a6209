package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"
)

// getter is how one file is read.
func (j *job) getter(client *http.Client) (put, error) {
	if j.Mode == modeREST {
		return func(ctx context.Context, from target, _ int) error {
			res, err := exchange(ctx, client, http.MethodGet, from.URL, http.NoBody, 0, j.restHeader()) //nolint:bodyclose // by read
			if err != nil {
				return err
			}
			return j.read(res.Body)
		}, nil
	}
	core, err := newCore(j.Endpoint, j.AccessKey, j.SecretKey, client.Transport)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, from target, _ int) error {
		body, _, _, err := core.GetObject(ctx, bucket, from.Key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		return j.read(body)
	}, nil
}

// read takes a whole file, in few steps, and closes it.
func (j *job) read(body io.ReadCloser) error {
	defer func() { _ = body.Close() }()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{body}, make([]byte, 256<<10))
	if err == nil && n != int64(j.Size) {
		err = fmt.Errorf("%d bytes have come, and not %d", n, j.Size)
	}
	return err
}
