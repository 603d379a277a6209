package abortagain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// How ended uploads are written down: in ConfigMaps of the operator's namespace, each of which
// takes what ends within endedSpan, up to endedBytes.
const (
	// LabelEnded marks the ConfigMaps that hold the ids of uploads that have ended.
	LabelEnded = v1alpha1.GroupName + "/ended-uploads"
	// annotationEnded is when the newest of its uploads has ended, annotationAgain how often they
	// were aborted again.
	annotationEnded = v1alpha1.GroupName + "/ended"
	annotationAgain = v1alpha1.GroupName + "/aborted-again"
	endedKey        = "uploads"
	endedSpan       = 30 * time.Second
	endedBytes      = 128 << 10
)

// Ended is an upload that has ended in object storage.
type Ended struct {
	Store    string `json:"store"`
	Key      string `json:"key"`
	UploadID string `json:"uploadID"`
	// Completed: Complete was sent for it, so it may have become the object.
	Completed bool `json:"completed,omitempty"`
}

// Log writes down which uploads have ended, so that they are aborted again later, also by
// another leader: the record of an aborted upload is gone with its parts. What is noted at the same
// time becomes one write. All fields are required.
type Log struct {
	// Client writes, Live reads, both at the API server.
	Client client.Client
	Live   client.Reader
	// Namespace is the operator's own.
	Namespace string
	// Clock tells the time.
	Clock clock.PassiveClock

	mu      sync.Mutex
	pending *endedBatch
	writing sync.Mutex // one write at a time; guards page
	page    *corev1.ConfigMap
	opened  time.Time
}

// endedBatch is what the next write takes.
type endedBatch struct {
	lines []string
	once  sync.Once
	err   error
}

// Note writes the upload down, and returns when that is durable. To note it twice does no harm.
func (l *Log) Note(ctx context.Context, e Ended) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("note an ended upload: %w", err)
	}
	l.mu.Lock()
	if l.pending == nil {
		l.pending = &endedBatch{}
	}
	batch := l.pending
	batch.lines = append(batch.lines, string(line))
	l.mu.Unlock()

	l.writing.Lock() // whoever comes first writes what all others have noted meanwhile
	defer l.writing.Unlock()
	batch.once.Do(func() {
		l.mu.Lock()
		l.pending = nil
		l.mu.Unlock()
		batch.err = l.write(ctx, strings.Join(batch.lines, "\n")+"\n")
	})
	return batch.err
}

// write appends to the page, or begins another. The caller holds l.writing.
func (l *Log) write(ctx context.Context, text string) error {
	now := l.Clock.Now()
	if l.page != nil && now.Sub(l.opened) < endedSpan && len(l.page.Data[endedKey])+len(text) <= endedBytes {
		page := l.page.DeepCopy()
		page.Data[endedKey] += text
		page.Annotations[annotationEnded] = now.UTC().Format(time.RFC3339)
		err := l.Client.Update(ctx, page) //nolint:forbidigo // the page is what an earlier write was answered with
		if err == nil {
			l.page = page
			return nil
		}
		l.page = nil
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return fmt.Errorf("note ended uploads: %w", err)
		}
	}
	page := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "iotfile-ended-uploads-", Namespace: l.Namespace, Labels: map[string]string{LabelEnded: "true"},
			Annotations: map[string]string{annotationEnded: now.UTC().Format(time.RFC3339)},
		},
		Data: map[string]string{endedKey: text},
	}
	if err := l.Client.Create(ctx, page); err != nil {
		return fmt.Errorf("note ended uploads: %w", err)
	}
	l.page, l.opened = page, now
	return nil
}

// pages lists the ConfigMaps, without what they hold.
func (l *Log) pages(ctx context.Context) ([]metav1.PartialObjectMetadata, error) {
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	if err := l.Live.List(ctx, &list, client.InNamespace(l.Namespace), client.HasLabels{LabelEnded}); err != nil {
		return nil, fmt.Errorf("list what has ended: %w", err)
	}
	return list.Items, nil
}

// read gives the uploads of a page. What cannot be read is left out, with an error.
func (l *Log) read(ctx context.Context, name string) (page *corev1.ConfigMap, ended []Ended, err error) {
	page = &corev1.ConfigMap{}
	if err := l.Live.Get(ctx, client.ObjectKey{Namespace: l.Namespace, Name: name}, page); err != nil {
		return nil, nil, fmt.Errorf("read what has ended: %w", err)
	}
	for line := range strings.Lines(page.Data[endedKey]) {
		var e Ended
		if wrong := json.Unmarshal([]byte(line), &e); wrong != nil {
			err = errors.Join(err, fmt.Errorf("ConfigMap %s: %w", name, wrong))
			continue
		}
		ended = append(ended, e)
	}
	return page, ended, err
}
