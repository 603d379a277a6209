package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// output is how a command writes what it was asked for.
type output struct{ format string }

const (
	formatTable = ""
	formatWide  = "wide"
	formatName  = "name"
)

// add adds the flag -o. words are the formats besides those of objects.
func (o *output) add(cmd *cobra.Command, words ...string) {
	formats := append(slices.Clone(words), "json", "yaml", "jsonpath=TEMPLATE", "go-template=TEMPLATE")
	cmd.Flags().StringVarP(&o.format, "output", "o", formatTable, "Format: "+strings.Join(formats, ", ")+"; a table without it")
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if o.format != formatTable && !slices.Contains(words, o.format) {
			if _, err := o.printer(); err != nil {
				return err
			}
		}
		return check(cmd, args)
	}
}

// objects reports whether the format is one of objects, and no table or name.
func (o *output) objects() bool {
	return o.format != formatTable && o.format != formatWide && o.format != formatName
}

// printer gives what prints objects.
func (o *output) printer() (printers.ResourcePrinter, error) {
	name, template, _ := strings.Cut(o.format, "=")
	switch {
	case o.format == "json":
		return &printers.JSONPrinter{}, nil
	case o.format == "yaml":
		return &printers.YAMLPrinter{}, nil
	case name == "jsonpath" && template != "":
		return printers.NewJSONPathPrinter(template)
	case name == "go-template" && template != "":
		return printers.NewGoTemplatePrinter([]byte(template))
	}
	return nil, fmt.Errorf("-o %s is not a format of this command", o.format)
}

// printList prints objects as one list.
func (o *output) printList(out io.Writer, kind string, items []map[string]any) error {
	p, err := o.printer()
	if err != nil {
		return err
	}
	list := &unstructured.UnstructuredList{Object: header(kind + "List")}
	for _, item := range items {
		list.Items = append(list.Items, unstructured.Unstructured{Object: item})
	}
	return p.PrintObj(list, out)
}

// printOne prints one object.
func (o *output) printOne(out io.Writer, item map[string]any) error {
	p, err := o.printer()
	if err != nil {
		return err
	}
	return p.PrintObj(&unstructured.Unstructured{Object: item}, out)
}

// header begins an object. Its kinds are those of this command line: the Kubernetes API has none of
// them.
func header(kind string) map[string]any {
	return map[string]any{"apiVersion": "cli.iotfile.dev/v1", "kind": kind}
}

// fileObject is a file as programs see it. What is not known is left out.
func fileObject(f *iotfile.File) map[string]any {
	o := header("File")
	entity, path, _ := strings.Cut(f.Path, "/")
	o["metadata"] = map[string]any{"name": f.Path}
	o["entity"], o["path"], o["size"], o["version"], o["type"] = entity, path, f.Size, f.Version, f.Type
	for name, text := range map[string]string{
		"tag": f.Tag, "description": f.Description, "checksum": f.Checksum, "createdBy": f.CreatedBy, "updatedBy": f.UpdatedBy,
		"timestamp": timestamp(f.Timestamp), "updated": timestamp(f.Updated), "created": timestamp(f.Created),
	} {
		if text != "" {
			o[name] = text
		}
	}
	return o
}

func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// plainName is a name in a line of its own: as it is for a program, escaped for a terminal.
func (e *environment) plainName(name string) string {
	if report.IsTerminal(e.Out) {
		return report.Printable(name)
	}
	return name
}
