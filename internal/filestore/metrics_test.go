package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// gather gives the metrics as "name{labels} value", with counts for histograms.
func gather(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			lines = append(lines, fmt.Sprintf("%s{%s} %v", family.GetName(), strings.Join(labels, ","), value))
		}
	}
	return lines
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	backend := memory.New(memory.Options{MinPartSize: -1})
	store := filestore.Observe(filestore.Config{Name: "main"}, backend, filestore.Observation{Metrics: filestore.NewMetrics(registry)})
	ctx := t.Context()

	id, err := store.CreateUpload(ctx, "k", filestore.CreateUploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ref := filestore.UploadRef{Key: "k", UploadID: id}
	part, err := store.PutPart(ctx, ref, 1, bytes.NewReader(make([]byte, 1000)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.PutPart(ctx, ref, 2, bytes.NewReader(make([]byte, 400)), 1000)
	if !errors.Is(err, filestore.ErrIncompleteBody) {
		t.Fatal(err)
	}
	if _, err := store.CompleteUpload(ctx, ref, []filestore.Part{part}, filestore.Condition{}); err != nil {
		t.Fatal(err)
	}
	body, err := store.Open(ctx, filestore.Object{Key: "k"}, filestore.ByteRange{Offset: 900, Length: -1})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, body); n != 100 || err != nil {
		t.Fatal(n, err)
	}
	_, _ = store.Stat(ctx, "nothing")
	_, _ = store.ListParts(ctx, ref)
	_ = store.AbortUpload(ctx, ref)
	_ = store.ListUploads(ctx, "", func(filestore.Upload) bool { return true })
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, _ = store.Probe(canceled)

	got := gather(t, registry)
	want := []string{
		"iotfile_store_bytes_total{direction=received,store=main} 100",
		"iotfile_store_bytes_total{direction=sent,store=main} 1400",
		"iotfile_store_request_duration_seconds{operation=AbortUpload,outcome=success,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=CompleteUpload,outcome=success,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=CreateUpload,outcome=success,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=ListParts,outcome=no_such_upload,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=ListUploads,outcome=success,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=Open,outcome=success,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=Probe,outcome=canceled,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=PutPart,outcome=incomplete_body,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=PutPart,outcome=success,store=main} 1",
		"iotfile_store_request_duration_seconds{operation=Stat,outcome=not_found,store=main} 1",
		"iotfile_store_silent{store=main} 0",
	}
	for _, op := range []string{"AbortUpload", "CompleteUpload", "CreateUpload", "ListParts", "ListUploads", "Open", "Probe", "PutPart", "Stat"} {
		want = append(want, fmt.Sprintf("iotfile_store_requests_in_flight{operation=%s,store=main} 0", op))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("metrics\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestOutcome: each kind of error has a name of its own, and names are few.
func TestOutcome(t *testing.T) {
	seen := map[string]error{}
	for _, err := range []error{
		filestore.ErrNoSuchUpload, filestore.ErrNotFound, filestore.ErrPrecondition, filestore.ErrInvalidParts, filestore.ErrPartSize,
		filestore.ErrIncompleteBody, filestore.ErrChecksum, filestore.ErrRange, filestore.ErrInvalidKey, filestore.ErrBucketNotFound,
		filestore.ErrAccessDenied, filestore.ErrIntegrityUnsupported, filestore.ErrRejected, filestore.ErrBusy, filestore.ErrUnavailable,
		context.Canceled, io.EOF, nil,
	} {
		name := filestore.Outcome(err)
		if other, ok := seen[name]; ok {
			t.Errorf("%v and %v are both %q", err, other, name)
		}
		seen[name] = err
	}
	late := &filestore.Error{Op: "UploadPart", Kind: filestore.ErrUnavailable, Cause: context.DeadlineExceeded}
	if got := filestore.Outcome(fmt.Errorf("wrapped: %w", late)); got != "unavailable" {
		t.Errorf("a deadline is %q", got)
	}
}
