package v1alpha1_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// testStoreMayMoveToAnotherAddress changes where a store is while uploads are open in it: its
// address may change, and what keys are made of may not.
func testStoreMayMoveToAnotherAddress(t *testing.T) {
	fs := store(t, nil)
	openUpload(t, tenant(t, nil), fs.Name)
	for field, change := range map[string]func(*v1alpha1.FileStoreSpec){
		"endpoint": func(s *v1alpha1.FileStoreSpec) { s.Endpoint = "https://elsewhere.example.com" },
		"region":   func(s *v1alpha1.FileStoreSpec) { s.Region = "eu-central-1" },
		"bucket":   func(s *v1alpha1.FileStoreSpec) { s.Bucket += "-2" },
		"prefix":   func(s *v1alpha1.FileStoreSpec) { s.Prefix = "elsewhere/" },
	} {
		changed := fs.DeepCopy()
		change(&changed.Spec)
		err := world.admin.Patch(t.Context(), changed, client.MergeFrom(fs), client.DryRunAll)
		switch {
		case field == "endpoint" || field == "region":
			if err != nil {
				t.Errorf("%s: %v", field, err)
			}
		case !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), field+" is immutable: make another FileStore"):
			t.Errorf("%s is answered with %v", field, err)
		}
	}
}

func testSelectorIsValid(t *testing.T) {
	for operator, values := range map[metav1.LabelSelectorOperator][]string{"Is": {"a"}, "In": nil, "Exists": {"a"}} {
		fs := newStore()
		fs.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "stage", Operator: operator, Values: values}}}
		refused(t, world.admin.Create(t.Context(), fs), v1alpha1.ReasonInvalidConfiguration, "spec.namespaceSelector is not valid: ")
	}
	fs := store(t, nil)
	fs.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "stage", Operator: "Is"}}}
	refused(t, world.admin.Update(t.Context(), fs), v1alpha1.ReasonInvalidConfiguration, `"Is" is not a valid label selector operator`)
}

func testWarnings(t *testing.T) {
	c, heard := listening(t)
	warned := func(change func(*v1alpha1.FileStore), want string) {
		t.Helper()
		testkit.Eventually(t, func() error {
			fs := newStore()
			change(fs)
			if err := c.Create(t.Context(), fs, client.DryRunAll); err != nil {
				return err
			}
			if got := heard.take(); !strings.Contains(got, want) || (want == "" && got != "") {
				return fmt.Errorf("the warnings are %q, want %q", got, want)
			}
			return nil
		})
	}
	warned(func(*v1alpha1.FileStore) {}, "")
	warned(func(fs *v1alpha1.FileStore) { fs.Spec.Bucket, fs.Spec.Prefix = "shared-bucket", "other/" }, "")
}

// testOverlapIsRefused: no FileStore gets keys of another, not at its creation and not by a move;
// one that goes, or is gone, is no obstacle.
func testOverlapIsRefused(t *testing.T) {
	at := func(endpoint, prefix string) func(*v1alpha1.FileStore) {
		return func(fs *v1alpha1.FileStore) {
			fs.Spec.Endpoint, fs.Spec.Bucket, fs.Spec.Prefix = endpoint, "overlap-bucket", prefix
		}
	}
	created := func(endpoint, prefix string) error {
		fs := newStore()
		at(endpoint, prefix)(fs)
		return world.admin.Create(t.Context(), fs, client.DryRunAll)
	}
	first := store(t, at("https://s3.example.com", "iot/"))
	want := fmt.Sprintf("the FileStore %q uses the same bucket with the prefix \"iot/\"", first.Name)
	testkit.Eventually(t, func() error { // as soon as the webhook's cache has it
		if err := created("https://s3.example.com", "iot/"); !apierrors.HasStatusCause(err, v1alpha1.ReasonPrefixOverlap) {
			return fmt.Errorf("the same keys are answered with %q", fmt.Sprint(err))
		}
		return nil
	})
	for _, c := range [][2]string{
		{"https://s3.example.com", ""}, {"https://s3.example.com", "iot/deeper/"}, {"https://S3.example.com.:443/", "iot/"}, {"http://s3.example.com", "iot/"},
	} {
		refused(t, created(c[0], c[1]), v1alpha1.ReasonPrefixOverlap, want)
	}
	for _, c := range [][2]string{{"https://s3.example.com", "tio/"}, {"https://s3.example.com", "iota/"}, {"https://s3.example.com:9000", "iot/"}, {"https://s3.example.org", ""}} {
		if err := created(c[0], c[1]); err != nil {
			t.Errorf("%q: %v", c, err)
		}
	}
	moved := store(t, at("https://elsewhere.example.com", "iot/"))
	moved.Spec.Endpoint = first.Spec.Endpoint
	refused(t, world.admin.Update(t.Context(), moved, client.DryRunAll), v1alpha1.ReasonPrefixOverlap, want)

	before := first.DeepCopy()
	first.Finalizers = []string{v1alpha1.FinalizerHoldStore}
	if err := world.admin.Patch(t.Context(), first, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	if err := world.admin.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := created("https://s3.example.com", "iot/"); err != nil {
		t.Errorf("beside one that is being deleted: %v", err)
	}
	if err := world.admin.Patch(t.Context(), first, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}
	again := newStore()
	at("https://s3.example.com", "iot/")(again)
	again.Name = first.Name
	create(t, again)
}

// testTwoDefaults runs alone: a default store would change what the others see.
func testTwoDefaults(t *testing.T) {
	mark := func(fs *v1alpha1.FileStore) {
		metav1.SetMetaDataAnnotation(&fs.ObjectMeta, v1alpha1.AnnotationDefaultStore, "true")
	}
	c, heard := listening(t)
	first := store(t, mark)
	testkit.Eventually(t, func() error {
		second := newStore()
		mark(second)
		if err := c.Create(t.Context(), second, client.DryRunAll); err != nil {
			return err
		}
		want := fmt.Sprintf("the FileStore %q is a default one, too: of several, the one that was created last is used", first.Name)
		if got := heard.take(); got != want {
			return fmt.Errorf("the warnings are %q, want %q", got, want)
		}
		return nil
	})
	u := newUpload(tenant(t, nil), "a.bin")
	if err := c.Create(t.Context(), u, client.DryRunAll); err != nil || u.Spec.StoreName != first.Name {
		t.Errorf("without a name, the store is %q, %v", u.Spec.StoreName, err)
	}
}

// listening is a client, and the warnings that it gets.
func listening(t *testing.T) (client.Client, *warnings) {
	t.Helper()
	heard := &warnings{}
	config := world.plane.RESTConfig()
	config.WarningHandlerWithContext = heard
	c, err := client.New(config, client.Options{Scheme: world.scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c, heard
}

type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

func (w *warnings) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.text, "\n")
	w.text = nil
	return text
}
