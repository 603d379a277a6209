package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// livePage is how many records are read at once: a hundred thousand in one answer take the API
// server, and this process, hundreds of megabytes.
const livePage = 500

// eachLive calls yield for every MultipartUpload that the API server has, all as of one moment. It
// does not read from the cache. An error means that yield may not have seen all; reading that takes
// longer than the API server keeps the moment, minutes, fails.
func eachLive(ctx context.Context, live client.Reader, yield func(*v1alpha1.MultipartUpload)) error {
	next := ""
	for {
		var page v1alpha1.MultipartUploadList
		if err := live.List(ctx, &page, client.Limit(livePage), client.Continue(next)); err != nil {
			return fmt.Errorf("list MultipartUploads: %w", err)
		}
		for i := range page.Items {
			yield(&page.Items[i])
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}
