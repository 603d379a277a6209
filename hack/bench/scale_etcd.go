package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// etcdRecords writes MultipartUploads into etcd, past the API server, which takes twenty
// milliseconds for each. What it writes is what the API server would have stored: the form is that
// of a record that was made through it.
type etcdRecords struct {
	client *http.Client
	url    string
	// form is a record as the API server has stored it.
	form v1alpha1.MultipartUpload
}

// newEtcdRecords takes the form from a record that is there already.
func (c *scale) newEtcdRecords(ctx context.Context, made *v1alpha1.MultipartUpload) (*etcdRecords, error) {
	w := &etcdRecords{}
	w.client, w.url = c.testbed.system.ControlPlane.Etcd()
	var found struct {
		KVs []struct{ Value []byte } `json:"kvs"`
	}
	if err := w.call(ctx, "/v3/kv/range", map[string]any{"key": etcdKey(made)}, &found); err != nil {
		return nil, err
	}
	if len(found.KVs) != 1 {
		return nil, fmt.Errorf("etcd has no %s", etcdKey(made))
	}
	return w, json.Unmarshal(found.KVs[0].Value, &w.form)
}

func etcdKey(u *v1alpha1.MultipartUpload) []byte {
	return fmt.Appendf(nil, "/registry/%s/multipartuploads/%s/%s", v1alpha1.GroupVersion.Group, u.Namespace, u.Name)
}

// write stores all of them in one transaction, of which etcd takes 128 at most.
func (w *etcdRecords) write(ctx context.Context, all []*v1alpha1.MultipartUpload) error {
	type put struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	var puts []map[string]put
	for _, u := range all {
		u.TypeMeta, u.Generation, u.ManagedFields = w.form.TypeMeta, w.form.Generation, w.form.ManagedFields
		u.UID, u.CreationTimestamp = types.UID(uuid.NewString()), *u.Status.StartTime
		value, err := json.Marshal(u)
		if err != nil {
			return err
		}
		puts = append(puts, map[string]put{"request_put": {etcdKey(u), value}})
	}
	var done struct{ Succeeded bool }
	err := w.call(ctx, "/v3/kv/txn", map[string]any{"success": puts}, &done)
	if err == nil && !done.Succeeded {
		err = errors.New("etcd has not stored the records")
	}
	return err
}

func (w *etcdRecords) call(ctx context.Context, path string, question, answer any) error {
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answers %s to %s", res.Status, path)
	}
	return json.NewDecoder(res.Body).Decode(answer)
}
