package main

import (
	"bytes"
	"net/url"
	"path"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"github.com/iotfile-operator/iotfile-operator/hack/site/markdown"
)

// section is a heading of the index, and the pages that are listed below it.
type section struct {
	Title string
	Pages []entry
}

// entry is a page in the navigation.
type entry struct{ Title, Page string }

// navigation reads the index: headings of level 2, and the first link of each item of the lists
// below them.
func navigation(index []byte) ([]section, error) {
	var out []section
	root := markdown.New().Parser().Parse(text.NewReader(index))
	err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 2 {
				out = append(out, section{Title: markdown.Text(n, index)})
			}
		case *ast.ListItem:
			if link := firstLink(n); link != nil && len(out) > 0 && path.Ext(string(link.Destination)) == ".md" {
				last := &out[len(out)-1]
				last.Pages = append(last.Pages, entry{Title: markdown.Text(link, index), Page: page(string(link.Destination))})
			}
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	return out, err
}

func firstLink(n ast.Node) *ast.Link {
	var found *ast.Link
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if link, ok := n.(*ast.Link); ok && entering {
			found = link
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return found
}

// render makes HTML of a page, whose links lead to pages of the site, or to the project's files
// where there are none.
func (s *site) render(name string, source []byte) (html, title string, err error) {
	md := markdown.New()
	root := md.Parser().Parse(text.NewReader(source), parser.WithContext(markdown.Context()))
	err = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			n.Destination = []byte(s.link(name, string(n.Destination)))
		case *ast.Heading:
			if n.Level == 1 && title == "" {
				title = markdown.Text(n, source)
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return "", "", err
	}
	var out bytes.Buffer
	err = md.Renderer().Render(&out, source, root)
	return out.String(), title, err
}

// link is what a link of the page of this name becomes.
func (s *site) link(name, destination string) string {
	target, err := url.Parse(destination)
	if err != nil || target.Scheme != "" || target.Path == "" {
		return destination
	}
	if to := path.Join(path.Dir(name), target.Path); strings.HasPrefix(to, "../") || path.Ext(to) == "" || path.Ext(to) == ".go" {
		return s.source + "/" + path.Join("docs", to) // what is not copied
	}
	if path.Ext(target.Path) == ".md" {
		target.Path = page(target.Path)
	}
	return target.String()
}
