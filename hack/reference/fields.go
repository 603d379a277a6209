package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const fieldsHead = `# Every field

Made from the CRDs, so it says what the API server enforces. What the fields are for, with examples, is on the pages of [FileStore](filestore.md) and
[MultipartUpload](multipartupload.md). ` + "`kubectl explain filestore.spec --recursive`" + ` has the same at hand.
`

// fieldsPage describes the kinds of all CRDs.
func fieldsPage() ([]byte, error) {
	files, err := filepath.Glob(filepath.Join("config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no CRDs: run this in the project's directory (%w)", err)
	}
	out := bytes.NewBufferString(fieldsHead)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(data, crd); err != nil {
			return nil, err
		}
		describe(out, crd)
	}
	return out.Bytes(), nil
}

// describe describes one kind.
func describe(out *bytes.Buffer, crd *apiextensionsv1.CustomResourceDefinition) {
	version := crd.Spec.Versions[0]
	whole := version.Schema.OpenAPIV3Schema
	fmt.Fprintf(out, "\n## %s\n\n`apiVersion: %s/%s`, %s, short name `%s`.\n\n%s\n", crd.Spec.Names.Kind, crd.Spec.Group, version.Name,
		map[bool]string{true: "namespaced", false: "cluster-scoped"}[crd.Spec.Scope == apiextensionsv1.NamespaceScoped],
		strings.Join(crd.Spec.Names.ShortNames, "`, `"), paragraphs(whole.Description, "\n\n"))
	for _, part := range []string{"spec", "status"} {
		schema := whole.Properties[part]
		fmt.Fprintf(out, "\n### %s.%s\n\n| field | type | rules | meaning |\n|---|---|---|---|\n", crd.Spec.Names.Kind, part)
		fields(out, "", &schema)
		if notes := rules(&schema); len(notes) > 0 {
			fmt.Fprintf(out, "\nOf all of them: %s.\n", strings.Join(notes, "; "))
		}
	}
	fmt.Fprintf(out, "\n### Columns of %s\n\nWhat `kubectl get` prints; those that `-o wide` adds are in italics.\n\n", crd.Spec.Names.Plural)
	for _, column := range version.AdditionalPrinterColumns {
		name := column.Name
		if column.Priority > 0 {
			name = "*" + name + "*"
		}
		fmt.Fprintf(out, "- %s: `%s`\n", name, column.JSONPath)
	}
}

// fields writes a row for each field of an object, and for the fields of those that are objects.
func fields(out *bytes.Buffer, prefix string, object *apiextensionsv1.JSONSchemaProps) {
	for _, name := range slices.Sorted(maps.Keys(object.Properties)) {
		field := object.Properties[name]
		notes := rules(&field)
		if slices.Contains(object.Required, name) {
			notes = append([]string{"**required**"}, notes...)
		}
		fmt.Fprintf(out, "| `%s%s` | %s | %s | %s |\n", prefix, name, typeOf(&field), cell(strings.Join(notes, "; ")), cell(paragraphs(field.Description, "<br>")))
		switch {
		case field.Type == "object" && len(field.Properties) > 0 && name != "namespaceSelector": // which is Kubernetes' own
			fields(out, prefix+name+".", &field)
		case field.Type == "array" && field.Items.Schema.Type == "object" && name != "conditions": // so are these
			fields(out, prefix+name+"[].", field.Items.Schema)
		}
	}
}

// typeOf names the type of a field.
func typeOf(field *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case field.XIntOrString:
		return "quantity"
	case field.Type == "array":
		return "list of " + typeOf(field.Items.Schema)
	case field.Format == "date-time":
		return "time"
	case field.Format == "byte":
		return "base64"
	}
	return field.Type
}

// rules says what the schema demands of a value.
func rules(field *apiextensionsv1.JSONSchemaProps) []string {
	var notes []string
	add := func(condition bool, format string, values ...any) {
		if condition {
			notes = append(notes, fmt.Sprintf(format, values...))
		}
	}
	if field.Default != nil {
		add(true, "default `%s`", strings.Trim(string(field.Default.Raw), `"`))
	}
	if len(field.Enum) > 0 {
		var values []string
		for _, value := range field.Enum {
			values = append(values, "`"+strings.Trim(string(value.Raw), `"`)+"`")
		}
		add(true, "one of %s", strings.Join(values, ", "))
	}
	add(field.Minimum != nil, "at least %.0f", value(field.Minimum))
	add(field.Maximum != nil, "at most %.0f", value(field.Maximum))
	add(value(field.MinLength) > 0, "not empty")
	add(field.MaxLength != nil && !field.XIntOrString, "at most %d characters", value(field.MaxLength))
	add(field.MaxItems != nil, "at most %d items", value(field.MaxItems))
	add(field.Pattern != "" && !field.XIntOrString, "like `%s`", field.Pattern) // that of a quantity is its notation
	for _, rule := range field.XValidations {
		add(true, "%s", strings.Join(strings.Fields(cmp.Or(rule.Message, rule.Rule)), " "))
	}
	return notes
}

func value[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

// paragraphs joins the lines of each paragraph of a comment, and the paragraphs with between.
func paragraphs(text, between string) string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		out = append(out, strings.Join(strings.Fields(paragraph), " "))
	}
	return strings.Join(out, between)
}

// cell makes text fit into a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<br>", "<br>", "<", "&lt;").Replace(text)
}
