package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestRealEvents has an API server with more records than a page has.
func TestRealEvents(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane")
	}
	root, err := devcluster.ModuleRoot()
	check(t, err)
	plane, err := devcluster.StartControlPlane(t.Context(), devcluster.ControlPlaneOptions{
		Dir: t.TempDir(), CRDDirs: []string{filepath.Join(root, "config", "crd", "bases")}, UnsafeNoFsync: true,
	})
	check(t, err)
	t.Cleanup(func() { check(t, plane.Stop()) })
	admin := plane.RESTConfig()
	kube, err := dynamic.NewForConfig(admin)
	check(t, err)
	// This makes the namespace, too.
	own, err := plane.ServiceAccountToken(t.Context(), "team-a", "developer", time.Hour)
	check(t, err)
	const many = 1200
	records := kube.Resource(v1alpha1.GroupVersion.WithResource("multipartuploads")).Namespace("team-a")
	var creators errgroup.Group
	creators.SetLimit(16)
	for n := range many {
		creators.Go(func() error {
			_, err := records.Create(t.Context(), newRecord(n), metav1.CreateOptions{})
			return err
		})
	}
	check(t, creators.Wait())

	in := start(t, optionsFor(admin)).browser()
	all, _ := in.stream("/events")
	next := uploads(all)
	next().is(t, "reset")
	seen := map[string]bool{}
	var sizes []int
	for l := next(); l.Type != "synced"; l = next() {
		if l.Type != "put" {
			t.Fatalf("in the list: %v", l)
		}
		sizes = append(sizes, len(l.Objects))
		for _, name := range l.names() {
			seen[name] = true
		}
	}
	if len(seen) != many || !slices.Equal(sizes, []int{pageSize, pageSize, many - 2*pageSize}) {
		t.Errorf("%d records come, as %v", len(seen), sizes)
	}
	_, err = records.Create(t.Context(), newRecord(many), metav1.CreateOptions{})
	check(t, err)
	l := next()
	l.is(t, fmt.Sprintf("put u%d", many))
	uid := l.Objects[0]["metadata"].(map[string]any)["uid"].(string)
	t.Run("patch", func(t *testing.T) { testRealPatch(t, in, next, uid) })
	check(t, records.Delete(t.Context(), fmt.Sprintf("u%d", many), metav1.DeleteOptions{}))
	next().is(t, fmt.Sprintf("gone team-a/u%d", many))
	in.ask(http.MethodGet, "/namespaces", nil).is(t, http.StatusOK, `"team-a"`, `"kube-system"`)

	developer := rest.AnonymousClientConfig(admin)
	developer.BearerToken = own
	t.Run("rights", func(t *testing.T) { testRealRights(t, kubernetes.NewForConfigOrDie(admin), developer, many) })
}

func testRealPatch(t *testing.T, in *browser, next func() *line, uid string) {
	path := "/uploads/team-a/u1200"
	patch := func(body string) *answered {
		return in.ask(http.MethodPatch, path, strings.NewReader(body), "Content-Type", "application/json")
	}
	patch(`{"ttl":"72h0m0s","uid":"`+uid+`"}`).is(t, http.StatusOK, `"ttl":"72h0m0s"`)
	l := next()
	l.is(t, "put u1200")
	if got := l.Objects[0]["spec"].(map[string]any)["ttl"]; got != "72h0m0s" {
		t.Errorf("the TTL comes as %v", got)
	}
	patch(`{"desiredState":"Aborted","uid":"11111111-2222-3333-4444-555555555555"}`).is(t, http.StatusConflict, "another one has its name")
	patch(`{"desiredState":"Aborted","resourceVersion":"1"}`).is(t, http.StatusConflict, "the object has been modified")
	patch(`{"desiredState":"Aborted"}`).is(t, http.StatusOK, `"desiredState":"Aborted"`)
	next().is(t, "put u1200")
	patch(`{"desiredState":"Completed"}`).is(t, http.StatusUnprocessableEntity, "desiredState")
	path = "/uploads/team-a/nobody"
	patch(`{"desiredState":"Aborted"}`).is(t, http.StatusNotFound, "nobody")
}

// testRealRights is somebody who may see the uploads of one namespace.
func testRealRights(t *testing.T, kube kubernetes.Interface, developer *rest.Config, many int) {
	in := start(t, optionsFor(developer)).browser()
	in.ask(http.MethodGet, "/namespaces", nil).is(t, http.StatusForbidden, "cannot list resource")
	errorsOf := func(path string) map[string]string {
		next, end := in.stream(path)
		defer end()
		said := map[string]string{}
		for len(said) < 2 {
			switch l := next(); {
			case l.Type == "error" && l.Status == http.StatusForbidden:
				said[l.Kind] = l.Message
			case l.Type == "synced":
				said[l.Kind] = ""
			}
		}
		return said
	}
	for kind, message := range errorsOf("/events?namespace=team-a") {
		if !strings.Contains(message, "cannot list resource") || !strings.Contains(message, "iotfile-upload-viewer") {
			t.Errorf("of %s: %q", kind, message)
		}
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "see"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"iotfile.dev"}, Resources: []string{"multipartuploads"}, Verbs: []string{"list", "watch"}},
	}}
	_, err := kube.RbacV1().Roles("team-a").Create(t.Context(), role, metav1.CreateOptions{})
	check(t, err)
	_, err = kube.RbacV1().RoleBindings("team-a").Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "see"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "see"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "team-a", Name: "developer"}},
	}, metav1.CreateOptions{})
	check(t, err)
	eventually(t, func() bool {
		said := errorsOf("/events?namespace=team-a")
		return said["uploads"] == "" && strings.Contains(said["stores"], "filestores.iotfile.dev is forbidden")
	})
	if said := errorsOf("/events"); said["uploads"] == "" {
		t.Error("the uploads of all namespaces come")
	}
	in.ask(http.MethodPatch, "/uploads/team-a/u1", strings.NewReader(`{"ttl":"1h"}`), "Content-Type", "application/json").is(t, http.StatusForbidden, "cannot patch resource")
}

func optionsFor(config *rest.Config) Options {
	return Options{Page: testPage, Kube: config, API: func(context.Context) (*API, error) { return nil, context.Canceled }}
}

func newRecord(n int) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	text := fmt.Sprintf(`{"apiVersion":"iotfile.dev/v1alpha1","kind":"MultipartUpload","metadata":{"namespace":"team-a","name":"u%d"},"spec":{"entityID":%q,"path":"p/%d"}}`, n, entity, n)
	if err := json.Unmarshal([]byte(text), &object.Object); err != nil {
		panic(err)
	}
	return object
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
