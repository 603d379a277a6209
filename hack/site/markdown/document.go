// Package markdown reads the project's Markdown as GitHub does: what it links to, what can be
// linked to, and what it shows as code.
package markdown

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
)

// Document is a Markdown file.
type Document struct {
	// Title is the text of the first heading of level 1.
	Title string
	// Anchors are what follows # in links to the document.
	Anchors map[string]bool
	// Links are the destinations of links and images, in their order.
	Links []string
	// Blocks are the fenced blocks of code.
	Blocks []Block
	// Spans are the inline pieces of code.
	Spans []string
}

// Block is a fenced block of code.
type Block struct {
	// Language is the word behind the fence, such as yaml.
	Language string
	// Text is what stands between the fences.
	Text string
	// Line is the number of the first line of Text.
	Line int
}

// New returns what parses the Markdown of this project and makes HTML of it. Raw HTML stays as it
// is: the project is its only author.
func New(options ...goldmark.Option) goldmark.Markdown {
	return goldmark.New(append([]goldmark.Option{
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(html.WithUnsafe()),
	}, options...)...)
}

// Context is what a document is parsed with, so that its headings get the anchors that GitHub gives
// them.
func Context() parser.Context {
	return parser.NewContext(parser.WithIDs(&anchors{taken: map[string]int{}}))
}

// Parse reads a document.
func Parse(source []byte) (*Document, error) {
	root := New().Parser().Parse(text.NewReader(source), parser.WithContext(Context()))
	d := &Document{Anchors: map[string]bool{}}
	err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			d.add(n, source)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, fmt.Errorf("walk the document: %w", err)
	}
	return d, nil
}

func (d *Document) add(n ast.Node, source []byte) {
	switch n := n.(type) {
	case *ast.Heading:
		if id, ok := n.AttributeString("id"); ok {
			d.Anchors[string(id.([]byte))] = true
		}
		if n.Level == 1 && d.Title == "" {
			d.Title = Text(n, source)
		}
	case *ast.Link:
		d.Links = append(d.Links, string(n.Destination))
	case *ast.Image:
		d.Links = append(d.Links, string(n.Destination))
	case *ast.AutoLink:
		d.Links = append(d.Links, string(n.URL(source)))
	case *ast.RawHTML:
		for i := range n.Segments.Len() {
			segment := n.Segments.At(i)
			d.addNamed(segment.Value(source))
		}
	case *ast.HTMLBlock:
		d.addNamed(n.Lines().Value(source))
	case *ast.CodeSpan:
		d.Spans = append(d.Spans, Text(n, source))
	case *ast.FencedCodeBlock:
		block := Block{Language: string(n.Language(source)), Text: string(n.Lines().Value(source))}
		if n.Lines().Len() > 0 {
			block.Line = bytes.Count(source[:n.Lines().At(0).Start], []byte("\n")) + 1
		}
		d.Blocks = append(d.Blocks, block)
	}
}

var named = regexp.MustCompile(`\b(?:id|name)="([^"]+)"`)

// addNamed adds the anchors that stand in raw HTML.
func (d *Document) addNamed(raw []byte) {
	for _, match := range named.FindAllSubmatch(raw, -1) {
		d.Anchors[string(match[1])] = true
	}
}

// Text is the text of a node without its markup.
func Text(n ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			out.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}

// anchors gives headings the anchors that GitHub gives them.
type anchors struct {
	taken map[string]int
}

// Generate implements parser.IDs.
func (a *anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	slug := Anchor(string(value))
	n := a.taken[slug]
	a.taken[slug]++
	if n > 0 {
		slug = fmt.Sprintf("%s-%d", slug, n)
	}
	return []byte(slug)
}

// Put implements parser.IDs.
func (a *anchors) Put(value []byte) { a.taken[string(value)]++ }

// Anchor is the anchor of a heading: lower case, hyphens for blanks, and no punctuation.
func Anchor(heading string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ':
			out.WriteRune('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			out.WriteRune(r)
		}
	}
	return out.String()
}
