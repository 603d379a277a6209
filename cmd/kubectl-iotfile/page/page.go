// Package page has the files of the page that kubectl iotfile ui and make run serve: HTML, CSS and
// JavaScript modules, as they are written.
package page

import (
	"embed"
	"io/fs"
)

//go:embed *.html *.css *.js *.svg
var files embed.FS

// Files are the files of the page; index.html is the first.
var Files fs.FS = files
