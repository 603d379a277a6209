package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// metric is one that the operator has.
type metric struct {
	name, kind, help string
	labels           []string
}

// sources are where the operator's metrics are made.
var sources = []string{"cmd/operator", "controllers", "internal", "webhook"}

// findMetrics reads the sources below root: all calls of prometheus.New…(Opts{Name, Help},
// labels), and of prometheus.NewDesc. One whose name, help or labels cannot be read is an error.
func findMetrics(root string) ([]metric, error) {
	var found []metric
	for _, dir := range sources {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			inFile, err := metricsOf(path)
			found = append(found, inFile...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func metricsOf(path string) (found []metric, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		return nil, err
	}
	var errs []error
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isPrometheus(selector.X) {
			return true
		}
		m, is, err := metricOf(selector.Sel.Name, call.Args)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", files.Position(call.Pos()), err))
		}
		if is && err == nil {
			found = append(found, m)
		}
		return true
	})
	return found, errors.Join(errs...)
}

func isPrometheus(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	return ok && name.Name == "prometheus"
}

var constructor = regexp.MustCompile(`^New(Counter|Gauge|Histogram|Summary)(Vec|Func)?$`)

// metricOf reads a call of a function of the prometheus package; is reports whether it makes a
// metric.
func metricOf(function string, args []ast.Expr) (m metric, is bool, err error) {
	if function == "NewDesc" {
		m.kind = "gauge" // all that are made this way
		m.name, m.help = text(args[0]), text(args[1])
		m.labels = append(texts(args[2]), keys(args[3])...)
		return m, true, m.check()
	}
	kind := constructor.FindStringSubmatch(function)
	if kind == nil {
		return metric{}, false, nil
	}
	m.kind = strings.ToLower(kind[1])
	opts, ok := args[0].(*ast.CompositeLit)
	if !ok {
		return m, true, errors.New("the options of a metric are no literal")
	}
	for _, element := range opts.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch name, _ := pair.Key.(*ast.Ident); name.Name {
		case "Name":
			m.name = text(pair.Value)
		case "Help":
			m.help = text(pair.Value)
		}
	}
	if kind[2] == "Vec" {
		m.labels = texts(args[1])
	}
	return m, true, m.check()
}

func (m metric) check() error {
	if m.name == "" || m.help == "" || slices.Contains(m.labels, "") {
		return fmt.Errorf("name, help and labels of the metric %q have to be literals", m.name)
	}
	return nil
}

// text is the value of a string literal, or of several that are added up; else empty.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		value, err := strconv.Unquote(e.Value)
		if err != nil {
			return ""
		}
		return value
	case *ast.BinaryExpr:
		left, right := text(e.X), text(e.Y)
		if left == "" || right == "" {
			return ""
		}
		return left + right
	default:
		return ""
	}
}

// texts are those of a slice literal, none of nil.
func texts(e ast.Expr) []string {
	list, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var out []string
	for _, element := range list.Elts {
		out = append(out, text(element))
	}
	return out
}

// keys are those of a map literal.
func keys(e ast.Expr) []string {
	list, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var out []string
	for _, element := range list.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			out = append(out, text(pair.Key))
		}
	}
	return out
}
