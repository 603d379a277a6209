package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// strangers are API groups whose schemas are not at hand: their objects are only parsed.
var strangers = []string{
	"apiserver.config.k8s.io", "argoproj.io", "cert-manager.io", "external-secrets.io", "gateway.envoyproxy.io", "gateway.nginx.org", "gateway.networking.k8s.io", "helm.toolkit.fluxcd.io",
	"kustomize.config.k8s.io", "kustomize.toolkit.fluxcd.io", "monitoring.coreos.com", "objectbucket.io", "objectstorage.k8s.io",
	"source.toolkit.fluxcd.io",
}

// schema judges objects of one of our kinds as the API server does.
type schema struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

// schemas reads the CRDs, by kind.
func schemas(t *testing.T) map[string]*schema {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("there are %d CRDs, not 2 (%v)", len(files), err)
	}
	out := map[string]*schema{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(data, crd); err != nil {
			t.Fatal(err)
		}
		internal := &apiextensions.JSONSchemaProps{}
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, internal, nil); err != nil {
			t.Fatal(err)
		}
		s := &schema{}
		if s.structural, err = structuralschema.NewStructural(internal); err != nil {
			t.Fatal(err)
		}
		if s.validator, _, err = validation.NewSchemaValidator(internal); err != nil {
			t.Fatal(err)
		}
		s.rules = cel.NewValidator(s.structural, true, celconfig.PerCallLimit)
		out[crd.Spec.Names.Kind] = s
	}
	return out
}

// judge says what the API server would say of the object.
func (s *schema) judge(t *testing.T, object map[string]any) error {
	t.Helper()
	unknown := pruning.PruneWithOptions(object, s.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(unknown) > 0 {
		return fmt.Errorf("there are no such fields: %s", strings.Join(unknown, ", "))
	}
	defaulting.Default(object, s.structural)
	problems := validation.ValidateCustomResource(nil, object, s.validator)
	more, _ := s.rules.Validate(t.Context(), field.NewPath(""), s.structural, object, nil, celconfig.RuntimeCELCostBudget)
	return append(problems, more...).ToAggregate()
}

// judge holds an object against the schema of its kind.
func judge(t *testing.T, ours map[string]*schema, document []byte) (known bool, err error) {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
		return false, err
	}
	kind := object.GroupVersionKind()
	switch {
	case kind.Kind == "" || kind.Version == "":
		return false, nil // a piece of an object
	case kind.Group == v1alpha1.GroupVersion.Group:
		s := ours[kind.Kind]
		if s == nil || kind.Version != v1alpha1.GroupVersion.Version {
			return true, fmt.Errorf("%s does not exist", kind)
		}
		return true, s.judge(t, object.Object)
	case slices.Contains(strangers, kind.Group):
		return false, nil
	}
	codecs := serializer.NewCodecFactory(clientgoscheme.Scheme, serializer.EnableStrict)
	_, _, err = codecs.UniversalDeserializer().Decode(document, nil, nil)
	return true, err
}

// documents splits a text of YAML.
func documents(text string) []string {
	return strings.Split("\n"+text, "\n---")
}

// TestManifests holds every object that a page shows, and every one of docs/examples, against the
// schema of its kind. Fields that do not exist are refused.
func TestManifests(t *testing.T) {
	ours, judged := schemas(t), 0
	check := func(where, text string) {
		for _, document := range documents(text) {
			known, err := judge(t, ours, []byte(document))
			if err != nil {
				t.Errorf("%s: %v\n%s", where, err, document)
			}
			if known {
				judged++
			}
		}
	}
	for name, page := range pages(t) {
		for _, block := range page.Blocks {
			if block.Language == "yaml" {
				check(fmt.Sprintf("%s:%d", name, block.Line), block.Text)
			}
		}
	}
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		check(file, string(data))
	}
	if judged < 10 {
		t.Errorf("only %d objects were found, so they were not read", judged)
	}
}

// TestManifestsAreJudged makes sure that the judge of the others does refuse.
func TestManifestsAreJudged(t *testing.T) {
	ours := schemas(t)
	for name, document := range map[string]string{
		"unknown field of ours":      "apiVersion: iotfile.dev/v1alpha1\nkind: FileStore\nmetadata: {name: a}\nspec: {endpoint: \"https://s3.example.com\", bucket: abc, quota: 1}",
		"value against a rule":       "apiVersion: iotfile.dev/v1alpha1\nkind: FileStore\nmetadata: {name: a}\nspec: {endpoint: \"https://s3.example.com/x\", bucket: abc}",
		"missing field":              "apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata: {name: a}\nspec: {path: a}",
		"old version":                "apiVersion: iotfile.dev/v1\nkind: FileStore\nmetadata: {name: a}",
		"unknown field of a Service": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {port: 1}",
		"a field twice":              "apiVersion: v1\nkind: Service\nkind: Service\nmetadata: {name: a}",
		"unknown group":              "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}",
	} {
		if _, err := judge(t, ours, []byte(document)); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}
