package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

func TestMetricsOfObjects(t *testing.T) {
	registry := prometheus.NewRegistry()
	backend := memory.New(memory.Options{})
	store := filestore.Observe(filestore.Config{Name: "main"}, backend, filestore.Observation{Metrics: filestore.NewMetrics(registry)})
	put := func(bytesOf, size int64, cond filestore.Condition) error {
		_, err := store.PutObject(t.Context(), "k", bytes.NewReader(make([]byte, bytesOf)), size, filestore.CreateUploadOptions{}, cond)
		return err
	}
	if err := put(1000, 1000, filestore.Condition{Absent: true}); err != nil {
		t.Fatal(err)
	}
	if err := put(1000, 1000, filestore.Condition{Absent: true}); !errors.Is(err, filestore.ErrPrecondition) {
		t.Fatal(err)
	}
	if err := put(400, 1000, filestore.Condition{}); !errors.Is(err, filestore.ErrIncompleteBody) {
		t.Fatal(err)
	}
	listed := 0
	if err := store.ListObjects(t.Context(), "", "", func(filestore.Object) bool { listed++; return true }); err != nil || listed != 1 {
		t.Fatal(listed, err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_ = store.ListObjects(canceled, "", "", func(filestore.Object) bool { return true })
	if err := store.DeleteObject(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	got := gather(t, registry)
	for _, want := range []string{
		"iotfile_store_bytes_total{direction=sent,store=main} 2400",
		"iotfile_store_request_duration_seconds{operation=PutObject,outcome=success,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=PutObject,outcome=precondition,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=PutObject,outcome=incomplete_body,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=ListObjects,outcome=success,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=ListObjects,outcome=canceled,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=DeleteObject,outcome=success,store=main} 1",
		"iotfile_store_requests_in_flight{operation=PutObject,store=main} 0",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("metrics lack %s:\n%s", want, strings.Join(got, "\n"))
		}
	}
}
