package ui

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// index is the file at the root.
const index = "index.html"

// mediaTypes are those of the files that a page has, by the end of the name. Others are not served.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

// page has the files of the page, by their paths.
type page struct{ files map[string]file }

type file struct {
	content         []byte
	mediaType, etag string
}

func readPage(from fs.FS) (*page, error) {
	p := &page{map[string]file{}}
	err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		mediaType := mediaTypes[path.Ext(name)]
		if err != nil || entry.IsDir() || mediaType == "" {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		f := file{content, mediaType, `"` + hex.EncodeToString(sum[:16]) + `"`}
		p.files["/"+name] = f
		if name == index {
			p.files["/"] = f
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the page: %w", err)
	}
	if _, ok := p.files["/"]; !ok {
		return nil, fmt.Errorf("the page: there is no %s", index)
	}
	return p, nil
}

// serve answers with a file, where there is one.
func (p *page) serve(w http.ResponseWriter, r *http.Request) bool {
	f, ok := p.files[r.URL.Path]
	if !ok {
		return false
	}
	w.Header().Set("Content-Type", f.mediaType)
	w.Header().Set("Cache-Control", "no-cache") // another version of the page may be at this port tomorrow
	w.Header().Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	return true
}
