package v1alpha1_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

func TestDiscovery(t *testing.T) {
	client, err := discovery.NewDiscoveryClientForConfig(server.config)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range list.APIResources {
		scope := "cluster"
		if r.Namespaced {
			scope = "namespaced"
		}
		got[r.Name] = strings.Join(append([]string{scope}, append(r.ShortNames, r.Categories...)...), " ")
	}
	want := map[string]string{
		"multipartuploads": "namespaced mpu iotfile", "multipartuploads/status": "namespaced",
		"filestores": "cluster fst iotfile", "filestores/status": "cluster",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

// TestPrintColumns reads what kubectl get prints: the server makes the table.
func TestPrintColumns(t *testing.T) {
	upload := create(t, uploads, fields{
		"status.phase": "Uploading", "status.storeName": "main", "status.startTime": "2026-01-02T03:04:05Z",
		"status.expirationTime": "2026-01-04T03:04:05Z",
		"status.progress":       map[string]any{"parts": int64(3), "bytes": int64(100663296), "displayBytes": "96 MiB", "percent": int64(40)},
	})
	probed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	protected := condition("Protected", "False")
	protected["reason"], protected["message"] = "NoConditions", "writers that race can overwrite each other"
	store := create(t, stores, fields{
		"metadata.annotations": map[string]any{v1alpha1.AnnotationDefaultStore: "true"},
		"status.openUploads":   int64(2), "status.capabilities.payloadMode": "TrailingCRC64NVME",
		"status.conditions":              []any{condition("Stalled", "False"), condition("Ready", "True"), protected},
		"status.lastSuccessfulProbeTime": probed.Format(time.RFC3339),
	})
	for _, c := range []struct {
		kind         kind
		name         string
		narrow, wide map[string]any
	}{
		{
			uploads, upload.GetName(),
			map[string]any{"Phase": "Uploading", "Path": "a.bin", "Parts": 3.0, "Bytes": "96 MiB", "Percent": 40.0, "Expires": "2026-01-04T03:04:05Z"},
			map[string]any{"Store": "main", "Entity": entityID, "Started": "2026-01-02T03:04:05Z"},
		},
		{
			stores, store.GetName(),
			map[string]any{
				"Ready": "True", "Protected": "NoConditions", "Bucket": "iot", "Open": 2.0, "Default": "true",
				"Probed": duration.HumanDuration(time.Since(probed)),
			},
			map[string]any{
				"Endpoint": "https://s3.example.com", "Payload": "TrailingCRC64NVME", "Message": "",
				"Protection": "writers that race can overwrite each other",
			},
		},
	} {
		t.Run(c.kind.name, func(t *testing.T) {
			c.narrow["Name"] = c.name
			narrow, wide := tableRow(t, c.kind, c.name)
			if age, _ := narrow["Age"].(string); !strings.HasSuffix(age, "s") {
				t.Errorf("Age is %q", age)
			}
			delete(narrow, "Age")
			if diff := cmp.Diff(c.narrow, narrow); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.wide, wide); diff != "" {
				t.Errorf("columns of -o wide (-want +got):\n%s", diff)
			}
		})
	}
}

// tableRow returns the cells that kubectl get prints for the object, and those that -o wide adds.
func tableRow(t *testing.T, k kind, name string) (narrow, wide map[string]any) {
	t.Helper()
	request := restClient(t).Get().Resource(k.plural).Name(name).SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	if k.namespace != "" {
		request = request.Namespace(k.namespace)
	}
	body, err := request.DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	if err := json.Unmarshal(body, &table); err != nil {
		t.Fatal(err)
	}
	narrow, wide = map[string]any{}, map[string]any{}
	for i, column := range table.ColumnDefinitions {
		if column.Priority == 0 {
			narrow[column.Name] = table.Rows[0].Cells[i]
		} else {
			wide[column.Name] = table.Rows[0].Cells[i]
		}
	}
	return narrow, wide
}

func restClient(t *testing.T) *rest.RESTClient {
	t.Helper()
	config := rest.CopyConfig(server.config)
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestEveryFieldIsExplained walks the OpenAPI document that kubectl explain prints from.
func TestEveryFieldIsExplained(t *testing.T) {
	body, err := restClient(t).Get().AbsPath("/openapi/v3/apis/iotfile.dev/v1alpha1").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Schemas map[string]property
		}
	}
	if err := json.Unmarshal(body, &document); err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		root, ok := document.Components.Schemas["dev.iotfile.v1alpha1."+k.name]
		if !ok {
			t.Fatalf("%s is not in the document", k.name)
		}
		if n := checkExplained(t, k.name, root); n < 20 {
			t.Errorf("%s: only %d fields were seen", k.name, n)
		}
	}
}

type property struct {
	Description          string
	Properties           map[string]property
	Items                *property
	AdditionalProperties *property
	Ref                  string `json:"$ref"`
	AllOf                []property
}

// checkExplained fails for each field without a description and returns how many fields there are.
func checkExplained(t *testing.T, path string, p property) int {
	t.Helper()
	if strings.TrimSpace(p.Description) == "" {
		t.Errorf("kubectl explain says nothing about %s", path)
	}
	// A field of ours is explained in a sentence that starts with its name, so that it reads like a
	// manual.
	name := path[strings.LastIndexByte(path, '.')+1:]
	ours := !strings.Contains(path, ".conditions.") && !strings.Contains(path, ".namespaceSelector.") && !slices.Contains([]string{"apiVersion", "kind", "metadata"}, name)
	if ours && !strings.HasPrefix(p.Description, name+" ") {
		t.Errorf("the description of %s is %q: begin it with the field's name", path, p.Description)
	}
	if p.Items != nil {
		p.Properties = p.Items.Properties
	}
	seen := 1
	for name, child := range p.Properties {
		seen += checkExplained(t, path+"."+name, child)
	}
	return seen
}

// TestTypesRoundTrip shows that the Go types hold every field of the schema: what the server stores
// comes back unchanged through them.
func TestTypesRoundTrip(t *testing.T) {
	typed := map[string]runtime.Object{uploads.name: &v1alpha1.MultipartUpload{}, stores.name: &v1alpha1.FileStore{}}
	for _, k := range kinds {
		with := fields{}
		if k.name == stores.name {
			with = fields{"spec.uploadTTL": "48h0m0s", "spec.finishedTTL": "1h0m0s"} // as Go writes the defaults
		}
		stored := create(t, k, with)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, typed[k.name]); err != nil {
			t.Fatal(err)
		}
		back, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed[k.name])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stored.Object["spec"], back["spec"]); diff != "" {
			t.Errorf("%s (-stored +back):\n%s", k.name, diff)
		}
		if diff := cmp.Diff(map[string]any{"observedGeneration": int64(-1)}, back["status"]); diff != "" {
			t.Errorf("%s: the status of a new one (-want +got):\n%s", k.name, diff)
		}
	}
}
