package controllers_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// uploadHealth is what kstatus is to make of each reason of an upload's condition Ready. Tools that
// go by it are Flux, Helm and kubectl's kin.
var uploadHealth = map[string]status.Status{
	v1alpha1.ReasonUploading:          status.InProgressStatus,
	v1alpha1.ReasonCompleting:         status.InProgressStatus,
	v1alpha1.ReasonAborting:           status.InProgressStatus,
	v1alpha1.ReasonExpiring:           status.InProgressStatus,
	v1alpha1.ReasonStoreUnavailable:   status.InProgressStatus,
	v1alpha1.ReasonCompleted:          status.CurrentStatus,
	v1alpha1.ReasonAborted:            status.FailedStatus,
	v1alpha1.ReasonExpired:            status.FailedStatus,
	v1alpha1.ReasonUploadLost:         status.FailedStatus,
	v1alpha1.ReasonStatusMismatch:     status.FailedStatus,
	v1alpha1.ReasonFileBusy:           status.FailedStatus,
	v1alpha1.ReasonVersionConflict:    status.FailedStatus,
	v1alpha1.ReasonPartsMissing:       status.FailedStatus,
	v1alpha1.ReasonPartsInvalid:       status.FailedStatus,
	v1alpha1.ReasonCompletionRefused:  status.FailedStatus,
	v1alpha1.ReasonOpeningRefused:     status.FailedStatus,
	v1alpha1.ReasonSizeMismatch:       status.FailedStatus,
	v1alpha1.ReasonTooManyBytes:       status.FailedStatus,
	v1alpha1.ReasonInvalidKey:         status.FailedStatus,
	v1alpha1.ReasonStoreNotFound:      status.FailedStatus,
	v1alpha1.ReasonStoreNotAllowed:    status.FailedStatus,
	v1alpha1.ReasonTooManyOpenUploads: status.FailedStatus,
}

// storeHealth is the same for a FileStore.
var storeHealth = map[string]status.Status{
	v1alpha1.ReasonProbed:               status.CurrentStatus,
	v1alpha1.ReasonUnreachable:          status.InProgressStatus,
	v1alpha1.ReasonSecretNotFound:       status.FailedStatus,
	v1alpha1.ReasonInvalidConfiguration: status.FailedStatus,
	v1alpha1.ReasonSecretWithoutConsent: status.FailedStatus,
	v1alpha1.ReasonPrefixOverlap:        status.FailedStatus,
	v1alpha1.ReasonEndpointNotAllowed:   status.FailedStatus,
	v1alpha1.ReasonBucketNotFound:       status.FailedStatus,
	v1alpha1.ReasonAccessDenied:         status.FailedStatus,
	v1alpha1.ReasonIntegrityUnsupported: status.FailedStatus,
	v1alpha1.ReasonPartsNotReplaced:     status.FailedStatus,
}

// argoHealth is what Argo CD calls the same.
var argoHealth = map[status.Status]string{
	status.CurrentStatus: "Healthy", status.InProgressStatus: "Progressing", status.TerminatingStatus: "Progressing", status.FailedStatus: "Degraded",
}

// judged are the reasons that were looked at, of both kinds, while the tests ran.
var judged struct {
	sync.Mutex
	reasons map[string]bool
}

// checkHealth compares what kstatus and Argo CD make of an object that a reconciler has written
// with what they should. Every pass of every test comes by here.
func checkHealth(t *testing.T, obj client.Object, kind string, conditions []metav1.Condition, observed int64, table map[string]status.Status) {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		t.Fatal(err)
	}
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	want, known := status.InProgressStatus, true
	switch {
	case obj.GetDeletionTimestamp() != nil:
		want = status.TerminatingStatus
	case ready != nil && observed == obj.GetGeneration():
		want, known = table[ready.Reason]
		note(kind + " " + ready.Reason)
	}
	if !known {
		t.Errorf("%s: nobody has said what the health of reason %s is", kind, ready.Reason)
		return
	}
	expectHealth(t, &unstructured.Unstructured{Object: content}, kind, want)
}

func checkUploadHealth(t *testing.T, u *v1alpha1.MultipartUpload) {
	t.Helper()
	checkHealth(t, u, "MultipartUpload", u.Status.Conditions, ptr.Deref(u.Status.ObservedGeneration, 0), uploadHealth)
}

func checkStoreHealth(t *testing.T, fs *v1alpha1.FileStore) {
	t.Helper()
	checkHealth(t, fs, "FileStore", fs.Status.Conditions, ptr.Deref(fs.Status.ObservedGeneration, 0), storeHealth)
}

func note(reason string) {
	judged.Lock()
	defer judged.Unlock()
	if judged.reasons == nil {
		judged.reasons = map[string]bool{}
	}
	judged.reasons[reason] = true
}

func expectHealth(t *testing.T, obj *unstructured.Unstructured, kind string, want status.Status) {
	t.Helper()
	result, err := status.Compute(obj)
	if err != nil || result.Status != want {
		t.Errorf("%s %s: kstatus computes %+v (%v), want %s, from %v", kind, obj.GetName(), result, err, want, obj.Object["status"])
	}
	got, message := argo(t, kind, obj)
	if got != argoHealth[want] || message == "" {
		t.Errorf("%s %s: Argo CD shows %s (%q), want %s", kind, obj.GetName(), got, message, argoHealth[want])
	}
}

// unjudged are the reasons whose health no test has seen.
func unjudged() []string {
	judged.Lock()
	defer judged.Unlock()
	var missing []string
	for kind, table := range map[string]map[string]status.Status{"MultipartUpload": uploadHealth, "FileStore": storeHealth} {
		for _, reason := range slices.Sorted(maps.Keys(table)) {
			if !judged.reasons[kind+" "+reason] {
				missing = append(missing, kind+" "+reason)
			}
		}
	}
	return missing
}

// argoScripts are what Argo CD is told about our kinds, by key.
var argoScripts = sync.OnceValues(func() (map[string]string, error) {
	root, err := devcluster.ModuleRoot()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(root, "config", "gitops", "argocd", "argocd-cm.yaml"))
	if err != nil {
		return nil, err
	}
	var cm corev1.ConfigMap
	if err := yaml.UnmarshalStrict(data, &cm); err != nil {
		return nil, err
	}
	return cm.Data, nil
})

func argoScript(t *testing.T, key string) string {
	t.Helper()
	scripts, err := argoScripts()
	if err != nil {
		t.Fatal(err)
	}
	if scripts[key] == "" {
		t.Fatalf("Argo CD is told no %s", key)
	}
	return scripts[key]
}

// argo is the health that Argo CD shows: it asks no script about an object that is being deleted.
func argo(t *testing.T, kind string, obj *unstructured.Unstructured) (health, message string) {
	t.Helper()
	if obj.GetDeletionTimestamp() != nil {
		return "Progressing", "Pending deletion"
	}
	result := runLua(t, argoScript(t, "resource.customizations.health.iotfile.dev_"+kind), obj.Object)
	return result.RawGetString("status").String(), result.RawGetString("message").String()
}

// runLua runs a script in the engine that Argo CD uses, with the libraries that it opens, and
// returns the table that the script does.
func runLua(t *testing.T, script string, obj map[string]any) *lua.LTable {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), NRet: 0, Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	l.SetGlobal("obj", luaValue(l, obj))
	if err := l.DoString(script); err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %v", l.Get(-1))
	}
	return table
}

func luaValue(l *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := l.NewTable()
		for k, v := range value {
			table.RawSetString(k, luaValue(l, v))
		}
		return table
	case []any:
		table := l.NewTable()
		for _, v := range value {
			table.Append(luaValue(l, v))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	default:
		return lua.LNil
	}
}

// TestHealthBeforeTheFirstPass: what nobody has looked at yet is under way. Without a status of its
// own kstatus would take it for ready, and a pipeline would go on.
func TestHealthBeforeTheFirstPass(t *testing.T) {
	r := newRig(t)
	r.create("up")
	fs := testkit.Store(r.ns + "-new")
	fs.Generation, fs.CreationTimestamp = 0, metav1.Time{}
	r.must(r.direct.Create(r.ctx, fs))
	t.Cleanup(func() { r.removeByForce(context.Background(), fs) })
	for kind, key := range map[string]client.ObjectKey{"MultipartUpload": {Namespace: r.ns, Name: "up"}, "FileStore": {Name: fs.Name}} {
		obj := &unstructured.Unstructured{}
		obj.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
		r.must(r.direct.Get(r.ctx, key, obj))
		expectHealth(t, obj, kind, status.InProgressStatus)
	}
	// An object that was there before its kind had a default gets it when it is read.
	u := r.get("up")
	if observed := ptr.Deref(u.Status.ObservedGeneration, 0); observed != -1 {
		t.Errorf("a new status speaks of generation %d", observed)
	}
}

// TestHealthOfDeletedUpload: an upload that is deleted is Terminating until its parts are gone.
func TestHealthOfDeletedUpload(t *testing.T) {
	r := newRig(t)
	r.open("up")
	r.delete("up")
	checkUploadHealth(t, r.get("up"))
	if _, message := argo(t, "MultipartUpload", &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"generation": int64(1)},
		"status": map[string]any{
			"observedGeneration": int64(1), "progress": map[string]any{"displayBytes": "24 MiB"},
			"conditions": []any{map[string]any{"type": "Ready", "status": "False", "reason": "Uploading", "message": "parts are taken"}},
		},
	}}); message != "Uploading: parts are taken (24 MiB so far)" {
		t.Errorf("Argo CD shows %q", message)
	}
}

// TestHealthOfRareReasons comes by the reasons that the other tests of this package do not.
func TestHealthOfRareReasons(t *testing.T) {
	sized := func(size int64) testkit.UploadOption {
		return func(u *v1alpha1.MultipartUpload) { u.Spec.Size = &size }
	}
	t.Run(v1alpha1.ReasonSizeMismatch, func(t *testing.T) {
		r := newRig(t)
		r.part(r.open("up", sized(10)), 1, "ab")
		r.edit("up", completed)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonSizeMismatch)
	})
	t.Run(v1alpha1.ReasonTooManyBytes, func(t *testing.T) {
		r := newRig(t, func(fs *v1alpha1.FileStore) {
			fs.Spec.Limits = &v1alpha1.FileStoreLimits{MaxIncompleteBytesPerNamespace: resource.NewQuantity(100, resource.BinarySI)}
		})
		r.create("up", sized(1000))
		r.drive("up")
		r.expect("up", v1alpha1.ReasonTooManyBytes)
	})
	t.Run(v1alpha1.ReasonExpiring, func(t *testing.T) {
		r := newRigWith(t, memory.Options{MinPartSize: -1, LateParts: memory.LatePartsResurrect})
		u := r.open("up", testkit.TTL(time.Hour))
		body, bytes := newSlowBody()
		landed := make(chan error)
		go func() {
			_, err := r.backend.PutPart(r.ctx, ref(u), 1, body, 2)
			landed <- err
		}()
		<-body.started
		r.backend.Inject(memory.Fault{Operation: memory.AbortUpload, Times: 1, After: func(context.Context) error {
			bytes <- "ab" // lands after the abort, and brings the upload back
			return <-landed
		}})
		r.clock.Step(time.Hour + upload.FenceDelay)
		_, err := r.step("up")
		r.must(err)
		r.expect("up", v1alpha1.ReasonExpiring)
	})
	t.Run(v1alpha1.ReasonInvalidConfiguration, func(t *testing.T) {
		r := newRig(t)
		r.backend.Inject(memory.Fault{Operation: memory.Probe, Before: memory.Fail(filestore.NewConfigError(filestore.ErrInvalidConfig, "the CA bundle is not PEM"))})
		r.clock.Step(time.Hour)
		r.probe()
		r.expectStore(v1alpha1.ReasonInvalidConfiguration)
	})
}

// TestArgoActions: what the menu of an upload offers in its states, and what it does.
func TestArgoActions(t *testing.T) {
	var actions struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name   string `json:"name"`
			Action string `json:"action.lua"`
		} `json:"definitions"`
	}
	if err := yaml.UnmarshalStrict([]byte(argoScript(t, "resource.customizations.actions.iotfile.dev_MultipartUpload")), &actions); err != nil {
		t.Fatal(err)
	}
	content := func(u *v1alpha1.MultipartUpload) map[string]any {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(u)
		if err != nil {
			t.Fatal(err)
		}
		return object
	}
	offered := func(u *v1alpha1.MultipartUpload) string {
		var names []string
		result := runLua(t, actions.Discovery, content(u))
		result.ForEach(func(name, action lua.LValue) {
			if action.(*lua.LTable).RawGetString("disabled") == lua.LFalse {
				names = append(names, name.String())
			}
		})
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	r := newRig(t)
	r.create("up")
	if got := offered(r.get("up")); got != "" {
		t.Errorf("before it is open: %q", got)
	}
	r.drive("up")
	u := r.get("up")
	if got := offered(u); got != "abort complete" {
		t.Errorf("while it is open: %q", got)
	}
	for name, want := range map[string]v1alpha1.DesiredState{"complete": v1alpha1.DesiredStateCompleted, "abort": v1alpha1.DesiredStateAborted} {
		for _, definition := range actions.Definitions {
			if definition.Name != name {
				continue
			}
			spec, ok := runLua(t, definition.Action, content(u)).RawGetString("spec").(*lua.LTable)
			if !ok || spec.RawGetString("desiredState").String() != string(want) || spec.RawGetString("entityID").String() != u.Spec.EntityID {
				t.Errorf("%s makes of the spec: %v", name, spec)
			}
		}
	}
	if len(actions.Definitions) != 2 {
		t.Errorf("%d actions are defined", len(actions.Definitions))
	}
	r.edit("up", aborted)
	r.drive("up")
	if got := offered(r.get("up")); got != "" {
		t.Errorf("when it has ended: %q", got)
	}
}
