package nullstore

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c *call) initiate() error {
	if !c.query.Has("uploads") {
		return fail(http.StatusNotImplemented, "NotImplemented")
	}
	u := &upload{object: object{name: c.name, modified: time.Now().UTC(), header: http.Header{}}, parts: map[int]*object{}}
	describe(&u.object, c.r)
	c.store.mu.Lock()
	u.id = c.store.newTag()
	c.store.uploads[u.id] = u
	c.store.mu.Unlock()
	return c.answer(struct {
		XMLName     xml.Name `xml:"InitiateMultipartUploadResult"`
		Bucket, Key string
		UploadID    string `xml:"UploadId"`
	}{Bucket: c.bucket, Key: c.key(), UploadID: u.id})
}

func (c *call) key() string { return strings.TrimPrefix(c.name, c.bucket+"/") }

// upload finds the upload that the request names. The caller holds mu.
func (c *call) upload() (*upload, error) {
	if u := c.store.uploads[c.query.Get("uploadId")]; u != nil && u.name == c.name {
		return u, nil
	}
	return nil, fail(http.StatusNotFound, "NoSuchUpload")
}

func (c *call) putPart() error {
	number, err := strconv.Atoi(c.query.Get("partNumber"))
	if err != nil {
		return fail(http.StatusBadRequest, "InvalidArgument")
	}
	part, err := c.take()
	if err != nil {
		return err
	}
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	u, err := c.upload()
	if err != nil {
		return err
	}
	part.etag = c.store.newTag()
	u.parts[number] = part
	c.w.Header().Set("ETag", `"`+part.etag+`"`)
	return nil
}

func (c *call) listParts() error {
	type part struct {
		PartNumber         int
		LastModified, ETag string
		Size               int64
	}
	page := struct {
		XMLName     xml.Name `xml:"ListPartsResult"`
		Bucket, Key string
		UploadID    string `xml:"UploadId"`
		IsTruncated bool
		Part        []part
	}{Bucket: c.bucket, Key: c.key(), UploadID: c.query.Get("uploadId")}
	c.store.mu.Lock()
	u, err := c.upload()
	if err == nil {
		for _, n := range slices.Sorted(maps.Keys(u.parts)) {
			page.Part = append(page.Part, part{PartNumber: n, LastModified: stamp(u.parts[n].modified), ETag: u.parts[n].etag, Size: u.parts[n].size})
		}
	}
	c.store.mu.Unlock()
	if err != nil {
		return err
	}
	return c.answer(page)
}

func (c *call) abort() error {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	u, err := c.upload()
	if err != nil {
		return err
	}
	delete(c.store.uploads, u.id)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// complete makes an object of the parts that the request names. Their ETags are not compared.
func (c *call) complete() error {
	var list struct {
		Part []struct{ PartNumber int }
	}
	if err := xml.NewDecoder(c.r.Body).Decode(&list); err != nil {
		return fail(http.StatusBadRequest, "MalformedXML")
	}
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	u, err := c.upload()
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return err
	}
	o := u.object
	for _, p := range list.Part {
		if u.parts[p.PartNumber] == nil {
			return fail(http.StatusBadRequest, "InvalidPart")
		}
		o.size += u.parts[p.PartNumber].size
	}
	o.etag, o.modified = c.store.newTag(), time.Now().UTC()
	c.store.objects[c.name] = &o
	delete(c.store.uploads, u.id)
	return c.answer(struct {
		XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
		Bucket, Key, ETag string
	}{Bucket: c.bucket, Key: c.key(), ETag: o.etag})
}

func (c *call) listUploads() error {
	type row struct {
		Key       string
		UploadID  string `xml:"UploadId"`
		Initiated string
	}
	page := struct {
		XMLName     xml.Name `xml:"ListMultipartUploadsResult"`
		Bucket      string
		IsTruncated bool
		Upload      []row
	}{Bucket: c.bucket}
	c.store.mu.Lock()
	for _, u := range c.store.uploads {
		if key, ok := strings.CutPrefix(u.name, c.bucket+"/"); ok && strings.HasPrefix(key, c.query.Get("prefix")) {
			page.Upload = append(page.Upload, row{Key: key, UploadID: u.id, Initiated: stamp(u.modified)})
		}
	}
	c.store.mu.Unlock()
	slices.SortFunc(page.Upload, func(a, b row) int { return strings.Compare(a.Key+a.UploadID, b.Key+b.UploadID) })
	return c.answer(page)
}
