package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// refusals collects the messages of the refusals that were wanted.
var refusals messages

type messages []string

func (m *messages) add(message string) { *m = append(*m, message) }

// checkEveryRuleRefused walks the schema of the kind and fails for each CEL rule and each limit
// that none of the refusals names.
func checkEveryRuleRefused(t *testing.T, k kind) {
	t.Helper()
	rules := 0
	walk("", servedSchema(t, k), func(path string, s *apiextensionsv1.JSONSchemaProps) {
		for _, want := range rulesOf(path, s) {
			rules++
			if !slices.ContainsFunc(refusals, func(message string) bool { return containsAll(message, want) }) {
				t.Errorf("%s: no case is refused with %q", k.name, want)
			}
		}
	})
	t.Logf("%s: %d rules and limits", k.name, rules)
}

// rulesOf returns for each rule and limit at path what a refusal by it says.
func rulesOf(path string, s *apiextensionsv1.JSONSchemaProps) [][]string {
	var wants [][]string
	for _, rule := range s.XValidations {
		wants = append(wants, []string{rule.Message})
	}
	limit := func(set bool, text string) {
		if set {
			wants = append(wants, []string{path, text})
		}
	}
	inBody := strings.TrimPrefix(strings.TrimPrefix(path, "status"), ".") + " in body should " // the status is validated on its own
	limit(s.MinLength != nil, inBody+"be at least")
	limit(s.MaxLength != nil, path+": Too long")
	limit(s.Minimum != nil, inBody+"be greater than or equal to")
	limit(s.Maximum != nil, inBody+"be less than or equal to")
	limit(s.MinProperties != nil && path != "spec.limits", inBody+"have at least") // the defaults fill spec.limits
	limit(s.MaxItems != nil, path+": Too many")
	limit(len(s.Enum) > 0, path+": Unsupported value")
	for _, name := range s.Required {
		limit(path != "", path+"."+name+": Required value")
	}
	return wants
}

func containsAll(message string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(message, part) })
}

// walk calls visit for each field of ours in the schema: not for what metav1 defines.
func walk(path string, s *apiextensionsv1.JSONSchemaProps, visit func(string, *apiextensionsv1.JSONSchemaProps)) {
	visit(path, s)
	if slices.Contains([]string{"metadata", "spec.namespaceSelector", "status.conditions"}, path) {
		return
	}
	for name, property := range s.Properties {
		child := name
		if path != "" {
			child = path + "." + name
		}
		walk(child, &property, visit)
	}
}

func servedSchema(t *testing.T, k kind) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	return servedCRD(t, k).Spec.Versions[0].Schema.OpenAPIV3Schema
}

func servedCRD(t *testing.T, k kind) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	object, err := server.dynamic.Resource(crds).Get(t.Context(), fmt.Sprintf("%s.%s", k.plural, v1alpha1.GroupVersion.Group), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, crd); err != nil {
		t.Fatal(err)
	}
	return crd
}
