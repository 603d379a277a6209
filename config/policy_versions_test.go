package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// oldest is the lowest version of Kubernetes that docs/install.md names.
const oldest = "1.31"

// expression is one of CEL, and what it is to be.
type expression struct {
	name, text string
	kind       *cel.Type
}

func (e expression) GetName() string          { return e.name }
func (e expression) GetExpression() string    { return e.text }
func (e expression) ReturnTypes() []*cel.Type { return []*cel.Type{e.kind} }

// TestExpressionsOfTheOldestKubernetes compiles what policies and webhooks ask in the language as
// it was then: the API server of these tests is a new one.
func TestExpressionsOfTheOldestKubernetes(t *testing.T) {
	env := environment.MustBaseEnvSet(version.MustParse(oldest))
	for _, object := range manifests(t, "policy/status.yaml", "policy/finalizer.yaml", "policy/metadata.yaml") {
		if object.GetKind() != "ValidatingAdmissionPolicy" {
			continue
		}
		policy := &admissionv1.ValidatingAdmissionPolicy{}
		convert(t, object, policy)
		compileAll(t, env, policy)
	}
	compiled := 0
	for _, object := range manifests(t, "webhook/manifests.yaml") {
		if object.GetKind() != "MutatingWebhookConfiguration" {
			continue
		}
		hooks := &admissionv1.MutatingWebhookConfiguration{}
		convert(t, object, hooks)
		compiler, err := plugincel.NewCompositedCompiler(env)
		check(t, err)
		for _, hook := range hooks.Webhooks {
			for _, condition := range hook.MatchConditions {
				compile(t, compiler, expression{hook.Name + " " + condition.Name, condition.Expression, cel.BoolType})
				compiled++
			}
		}
	}
	if compiled != 4 {
		t.Errorf("%d conditions of webhooks, want 4", compiled)
	}
	// And to see that a younger word is refused.
	compiler, err := plugincel.NewCompositedCompiler(env)
	check(t, err)
	young := compiler.CompileCELExpression(expression{"young", "cidr('10.0.0.0/8').containsIP('10.0.0.1') && [1].transformList(i, v, i + v).size() == 1", cel.BoolType},
		plugincel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions)
	if young.Error == nil || !strings.Contains(young.Error.Error(), "transformList") {
		t.Errorf("a word of 1.33 is answered with %v", young.Error)
	}
}

// manifests reads the objects of files.
func manifests(t *testing.T, files ...string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, file := range files {
		data, err := os.ReadFile(filepath.FromSlash(file))
		check(t, err)
		all = append(all, decode(t, data)...)
	}
	return all
}

// compileAll compiles each expression of a policy.
func compileAll(t *testing.T, env *environment.EnvSet, policy *admissionv1.ValidatingAdmissionPolicy) {
	t.Helper()
	compiler, err := plugincel.NewCompositedCompiler(env)
	check(t, err)
	for _, condition := range policy.Spec.MatchConditions {
		compile(t, compiler, expression{policy.Name + " " + condition.Name, condition.Expression, cel.BoolType})
	}
	for _, variable := range policy.Spec.Variables {
		result := compiler.CompileAndStoreVariable(expression{variable.Name, variable.Expression, cel.AnyType},
			plugincel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions)
		if result.Error != nil {
			t.Errorf("%s, variable %s: %v", policy.Name, variable.Name, result.Error)
		}
	}
	for _, validation := range policy.Spec.Validations {
		compile(t, compiler, expression{policy.Name, validation.Expression, cel.BoolType})
		if validation.MessageExpression != "" {
			compile(t, compiler, expression{policy.Name, validation.MessageExpression, cel.StringType})
		}
	}
}

func compile(t *testing.T, compiler *plugincel.CompositedCompiler, e expression) {
	t.Helper()
	if result := compiler.CompileCELExpression(e, plugincel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions); result.Error != nil {
		t.Errorf("%s: %s: %v", e.name, e.text, result.Error)
	}
}
