package nullstore

import (
	"bytes"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const timeFormat = "2006-01-02T15:04:05.000Z"

// check reports whether the conditions of a write hold. The caller holds mu.
func (c *call) check() error {
	now := c.store.objects[c.name]
	match := strings.Trim(c.r.Header.Get("If-Match"), `"`)
	if (c.r.Header.Get("If-None-Match") == "*" && now != nil) || (match != "" && (now == nil || now.etag != match)) {
		return fail(http.StatusPreconditionFailed, "PreconditionFailed")
	}
	return nil
}

// describe copies from a request what an object is served with.
func describe(o *object, r *http.Request) {
	for name, values := range r.Header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-Meta-") {
			o.header[name] = values
		}
	}
}

func (c *call) putObject() error {
	o, err := c.take()
	if err != nil {
		return err
	}
	describe(o, c.r)
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if err := c.check(); err != nil {
		return err
	}
	o.etag = c.store.newTag()
	c.store.objects[c.name] = o
	c.w.Header().Set("ETag", `"`+o.etag+`"`)
	return nil
}

func (c *call) getObject() error {
	c.store.mu.Lock()
	o := c.store.objects[c.name]
	c.store.mu.Unlock()
	switch {
	case o == nil && c.r.Method == http.MethodHead:
		c.w.WriteHeader(http.StatusNotFound)
		return nil
	case o == nil:
		return fail(http.StatusNotFound, "NoSuchKey")
	}
	maps.Copy(c.w.Header(), o.header)
	c.w.Header().Set("ETag", `"`+o.etag+`"`)
	var content io.ReadSeeker = bytes.NewReader(o.content)
	if o.content == nil {
		content = io.NewSectionReader(zeros{}, 0, o.size)
	}
	http.ServeContent(c.w, c.r, "", o.modified, content)
	return nil
}

// zeros stands for bytes that were not kept.
type zeros struct{}

// ReadAt implements io.ReaderAt.
func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

func (c *call) deleteObject() error {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	delete(c.store.objects, c.name)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) deleteObjects() error {
	var list struct {
		Object []struct{ Key string }
	}
	if err := xml.NewDecoder(c.r.Body).Decode(&list); err != nil {
		return fail(http.StatusBadRequest, "MalformedXML")
	}
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	for _, o := range list.Object {
		delete(c.store.objects, c.bucket+"/"+o.Key)
	}
	return c.answer(struct {
		XMLName xml.Name `xml:"DeleteResult"`
	}{})
}

type (
	location struct {
		XMLName xml.Name `xml:"LocationConstraint"`
	}
	allBuckets struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
	}
	entry struct {
		Key, LastModified, ETag string
		Size                    int64
	}
	listing struct {
		XMLName     xml.Name `xml:"ListBucketResult"`
		Name        string
		Prefix      string
		KeyCount    int
		IsTruncated bool
		Contents    []entry
	}
)

// listObjects lists all objects of a prefix, in one page however many there are.
func (c *call) listObjects() error {
	page := listing{Name: c.bucket, Prefix: c.query.Get("prefix")}
	c.store.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(c.store.objects)) {
		if key, ok := strings.CutPrefix(name, c.bucket+"/"); ok && strings.HasPrefix(key, page.Prefix) && key > c.query.Get("start-after") {
			o := c.store.objects[name]
			page.Contents = append(page.Contents, entry{Key: key, LastModified: stamp(o.modified), ETag: o.etag, Size: o.size})
		}
	}
	c.store.mu.Unlock()
	page.KeyCount = len(page.Contents)
	return c.answer(page)
}

func stamp(t time.Time) string { return t.Format(timeFormat) }
