package dataplane

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const cataloguePage = "../../docs/operations/errors.md"

// known is an error as a client sees it: … stands for what differs from case to case.
type known struct {
	status  int
	message string
	again   bool // with Retry-After
}

// TestErrorCatalogue holds docs/operations/errors.md against the code: each message that a client
// can get has its row, under its status, with whether to come again; and no row is of a message
// that is gone.
func TestErrorCatalogue(t *testing.T) {
	inCode := map[known]string{}
	for _, dir := range append(rooms(t), "../upload", "../digest") {
		newScan(t, dir, inCode).run()
	}
	inPage := cataloguedErrors(t)
	for e, where := range inCode {
		if !inPage[e] {
			t.Errorf("%s has no row for %+v of %s", cataloguePage, e, where)
		}
	}
	for e := range inPage {
		if inCode[e] == "" {
			t.Errorf("%s has a row for %+v, which is not in the code", cataloguePage, e)
		}
	}
	if len(inCode) < 100 {
		t.Errorf("only %d errors were found in the code: the search must have missed some", len(inCode))
	}
}

// rooms are the folders of the data plane that have code of it.
func rooms(t *testing.T) []string {
	t.Helper()
	dirs := []string{"."}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && entry.Name() != "testdata" && entry.Name() != "openapi" {
			dirs = append(dirs, entry.Name())
		}
	}
	return dirs
}

// cataloguedErrors reads the tables of the page: the heading above has the status, the cells are
// message, what to do, and "yes" or "no".
func cataloguedErrors(t *testing.T) map[known]bool {
	t.Helper()
	page, err := os.ReadFile(cataloguePage)
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`^## (\d{3})\b`)
	found, status := map[known]bool{}, 0
	for i, line := range strings.Split(string(page), "\n") {
		if m := heading.FindStringSubmatch(line); m != nil {
			status, _ = strconv.Atoi(m[1])
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| ") || status == 0 || cells[0] == "message" {
			continue
		}
		if len(cells) != 3 || (cells[2] != "yes" && cells[2] != "no") || len(cells[1]) < 5 {
			t.Fatalf("line %d of %s is no row of message, what to do, yes or no: %q", i+1, cataloguePage, line)
		}
		e := known{status, cells[0], cells[2] == "yes"}
		if found[e] {
			t.Errorf("line %d of %s repeats %+v", i+1, cataloguePage, e)
		}
		found[e] = true
	}
	return found
}

// scan looks for errors in the source of one package.
type scan struct {
	t         *testing.T
	set       *gotoken.FileSet
	files     []*ast.File
	constants map[string]ast.Expr
	functions map[string]*ast.FuncDecl
	found     map[known]string
	inside    string // the function that is looked at
	domain    bool   // each error of the package is answered 400, as serve.go and others do
}

func newScan(t *testing.T, dir string, found map[known]string) *scan {
	t.Helper()
	s := &scan{t: t, set: gotoken.NewFileSet(), constants: map[string]ast.Expr{}, functions: map[string]*ast.FuncDecl{}, found: found, domain: strings.HasPrefix(dir, "../")}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(s.set, filepath.Join(dir, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, file)
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				s.functions[d.Name.Name] = d
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == gotoken.CONST && len(v.Values) == len(v.Names) {
						for i, name := range v.Names {
							s.constants[name.Name] = v.Values[i]
						}
					}
				}
			}
		}
	}
	return s
}

func (s *scan) run() {
	for _, file := range s.files {
		for _, decl := range file.Decls {
			s.inside = ""
			if f, ok := decl.(*ast.FuncDecl); ok {
				s.inside = f.Name.Name
				s.errorMethod(f)
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					s.call(n)
				case *ast.CompositeLit:
					s.literal(n)
				}
				return true
			})
		}
	}
}

// constructors make an answer of the argument of this index.
var constructors = map[string]struct {
	status, message int
	again           bool
}{
	"apierror.BadRequest": {400, 0, false}, "apierror.Forbidden": {403, 0, false}, "apierror.NotFound": {404, 0, false}, "apierror.Method": {405, 1, false},
	"apierror.Conflict": {409, 0, false}, "apierror.TooLarge": {413, 0, false}, "apierror.UnsupportedMedia": {415, 0, false},
	"apierror.TooMany": {429, 0, true}, "apierror.Unavailable": {503, 0, true},
}

// answering are the functions of the package apierror.
var answering = regexp.MustCompile(`^apierror\.[A-Z]\w*$`)

// written is what an expression says, with the package apierror named also where it is the file's
// own.
func (s *scan) written(e ast.Expr) string {
	name := written(e)
	if _, local := e.(*ast.Ident); local && s.files[0].Name.Name == "apierror" && ast.IsExported(name) {
		return "apierror." + name
	}
	return name
}

func (s *scan) call(call *ast.CallExpr) {
	switch name := s.written(call.Fun); {
	case constructors[name].status != 0:
		c := constructors[name]
		s.add(call, c.status, call.Args[c.message], c.again)
	case strings.HasPrefix(name, "err") && s.functions[name] != nil && name != "errNoRoute",
		answering.MatchString(name) && name != "apierror.Describe" && name != "apierror.Write":
		s.t.Errorf("%s: %s makes an error, and this test does not know of which status", s.set.Position(call.Pos()), name)
	case s.domain && (name == "errors.New" || name == "fmt.Errorf"):
		s.add(call, http.StatusBadRequest, call.Args[0], false)
	}
}

// errorMethod looks for the texts of errors that describe answers with their own words.
func (s *scan) errorMethod(f *ast.FuncDecl) {
	if f.Name.Name != "Error" || f.Recv == nil || !slices.Contains([]string{"SequenceError", "SizeError"}, strings.TrimPrefix(written(f.Recv.List[0].Type), "*")) {
		return
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok {
			s.add(r, http.StatusBadRequest, r.Results[0], false)
		}
		return true
	})
}

func (s *scan) literal(lit *ast.CompositeLit) {
	fields := map[string]ast.Expr{}
	for i, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			fields[written(pair.Key)] = pair.Value
		} else {
			fields[strconv.Itoa(i)] = element
		}
	}
	either := func(names ...string) ast.Expr {
		for _, name := range names {
			if fields[name] != nil {
				return fields[name]
			}
		}
		return nil
	}
	switch s.written(lit.Type) {
	case "apierror.Error":
		s.add(lit, s.status(fields["Status"]), fields["Message"], fields["RetryAfter"] != nil)
	case "Refusal", "upload.Refusal":
		kind, ok := map[string]upload.RefusalKind{
			"RefusalTooSmall": upload.RefusalTooSmall, "RefusalTooLarge": upload.RefusalTooLarge, "RefusalNotOpen": upload.RefusalNotOpen,
			"RefusalConflict": upload.RefusalConflict, "RefusalNoRoom": upload.RefusalNoRoom,
		}[strings.TrimPrefix(written(either("Kind", "0")), "upload.")]
		if !ok {
			s.t.Fatalf("%s: a kind that this test does not know", s.set.Position(lit.Pos()))
		}
		answer := apierror.Describe(&upload.Refusal{Kind: kind})
		s.add(lit, answer.Status, either("Message", "1"), answer.RetryAfter > 0)
	case "ConflictError":
		s.add(lit, http.StatusConflict, fields["Message"], false)
	}
}

// status of an answer; 0 where it is that of a Refusal.
func (s *scan) status(e ast.Expr) int {
	if s.written(e) == "apierror.StatusClientGone" {
		return http.StatusBadRequest // as Write answers
	}
	for code := 400; code < 600; code++ {
		if name := strings.NewReplacer(" ", "", "-", "").Replace(http.StatusText(code)); name != "" && written(e) == "http.Status"+name {
			return code
		}
	}
	return 0
}

// borrowed are where a text comes from that is found at its origin: an error of this module, or a
// field that was filled from a literal.
var borrowed = regexp.MustCompile(`^(\w+\.Error\(\)|(refusal|conflict)\.Message)$`)

func (s *scan) add(at ast.Node, status int, text ast.Expr, again bool) {
	where := s.set.Position(at.Pos()).String()
	message, ok := s.text(text)
	switch {
	case ok && status != 0:
		s.found[known{status, placeholders(message), again}] = where
	case ok:
		s.t.Errorf("%s: the status of %q is not known", where, message)
	case constructors["apierror."+s.inside].status != 0, borrowed.MatchString(written(text)):
	default:
		s.t.Errorf("%s: what clients are told cannot be read from the code: %s", where, written(text))
	}
}

// text is what an expression says, with the verbs of formats, and %v for what is not known.
func (s *scan) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.Ident:
		if c := s.constants[e.Name]; c != nil {
			return s.text(c)
		}
	case *ast.BinaryExpr:
		left, ok1 := s.text(e.X)
		right, ok2 := s.text(e.Y)
		if !ok1 && !ok2 {
			return "", false
		}
		if !ok1 {
			left = "%v"
		}
		if !ok2 {
			right = "%v"
		}
		return left + right, true
	case *ast.CallExpr:
		if written(e.Fun) == "fmt.Sprintf" {
			return s.text(e.Args[0])
		}
		if f := s.functions[written(e.Fun)]; f != nil {
			if last, ok := f.Body.List[len(f.Body.List)-1].(*ast.ReturnStmt); ok && len(last.Results) == 1 {
				return s.text(last.Results[0])
			}
		}
	}
	return "", false
}

var verb = regexp.MustCompile(`%[-+# 0]*[0-9]*[a-zA-Z]`)

func placeholders(format string) string {
	return strings.ReplaceAll(verb.ReplaceAllString(strings.ReplaceAll(format, "%%", "\x00"), "…"), "\x00", "%")
}

// written writes simple expressions as the source does.
func written(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return written(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return "*" + written(e.X)
	case *ast.CallExpr:
		if len(e.Args) == 0 {
			return written(e.Fun) + "()"
		}
		return written(e.Fun) + "(…)"
	case nil:
		return ""
	default:
		return fmt.Sprintf("%T", e)
	}
}
