package iotfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// UploadOptions say what is uploaded and how. The zero value creates a file.
type UploadOptions struct {
	// IfMatch is the version that is replaced; nil: there must be no file.
	IfMatch *int64
	// Type is the media type that the file is served with; "": application/octet-stream.
	Type string
	// Description is kept with the file: at most 100 characters.
	Description string
	// Timestamp is kept with the file, with its milliseconds, unless it is zero.
	Timestamp time.Time
	// Header has what else is kept with the file and served: Content-Encoding, Content-Language,
	// Content-Disposition and Cache-Control. Others are refused.
	Header http.Header
	// Key is the Idempotency-Key of the upload; "": one made of the path alone, so that any process
	// of the account goes on with it. Whoever gives one vouches that it names these bytes: parts
	// are then kept by their size where object storage tells no checksum of them.
	Key string
	// PartSize is in bytes; 0: 16 MiB. It is enlarged where the file has too many parts otherwise,
	// and an upload that goes on keeps its own. A file of no more bytes, and of 64 MiB at most, is
	// sent in one request.
	PartSize int64
	// Concurrency is how many parts are sent at once; 0: 4.
	Concurrency int
	// Progress is called as bytes move, by one goroutine at a time, which it holds up; nil: nobody.
	Progress func(Progress)
}

// Upload sends size bytes of source to path, ENTITY/PATH, and returns the file. source is read in
// several places at once, each byte twice: for the checksum that is announced, and to be sent.
// Nothing of it is kept in memory.
//
// A call that ends early leaves what has arrived. The same call again, in any process and with the
// file at any place, compares the checksum of each part that is there with source, sends those that
// are missing or different, and completes the upload. Parts of which object storage tells no
// checksum are sent again, unless there is a Key. If the file was completed before, that is found
// out, and it is returned. Two processes that send different bytes of one size to one path are told
// ErrBusy or ErrChecksum.
//
// The error is ErrConflict if the file exists or has another version, ErrBusy if an upload of the
// path is open that has other options or size, ErrChanged if source changes meanwhile, and
// ErrChecksum if the finished file is not what was sent. The upload stays open after an error:
// [Client.Abort] gives it up, else the server does after its time.
func (c *Client) Upload(ctx context.Context, path string, source io.ReaderAt, size int64, options *UploadOptions) (*File, error) {
	u, err := c.newUpload(path, size, options)
	if err != nil {
		return nil, err
	}
	defer u.end()
	if size < 1 {
		return nil, invalid(ErrInvalid, path, "a file has at least one byte")
	}
	u.unchanged = watch(path, source)
	if size <= min(cmp.Or(u.options.PartSize, defaultPartSize), wholeMax) {
		return u.sendWhole(ctx, io.NewSectionReader(source, 0, size))
	}
	f, err := u.sendParts(ctx, source)
	if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
		return f, err
	}
	sum := sync.OnceValues(func() (uint64, error) {
		s, err := sumOf(ctx, io.NewSectionReader(source, 0, size), "")
		return s.crc64, err
	})
	if u.started {
		if f, err := u.finishOther(ctx, sum); err == nil || errors.Is(err, ErrChecksum) {
			return f, err
		}
	}
	return u.settle(ctx, err, sum)
}

// upload is one call of Upload or UploadStream.
type upload struct {
	*call
	options UploadOptions
	size    int64 // -1: not known yet
	limits  limits
	meter   *meter
	// started: the server has opened the upload, or found it.
	started bool
	// unchanged reports whether the source is what it was.
	unchanged func() error
}

func (c *Client) newUpload(path string, size int64, options *UploadOptions) (*upload, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	o := UploadOptions{}
	if options != nil {
		o = *options
	}
	if err := o.check(); err != "" {
		return nil, invalid(ErrInvalid, path, err)
	}
	o.Concurrency = cmp.Or(o.Concurrency, defaultConcurrency)
	o.Key = cmp.Or(o.Key, keyOf(path))
	return &upload{call: c.begin(path, o.Concurrency), options: o, size: size, meter: newMeter(size, o.Progress), unchanged: func() error { return nil }}, nil
}

// check says what is wrong with the options that a server would not be asked about, "" for nothing.
func (o *UploadOptions) check() string {
	values := []string{o.Type, o.Description, o.Key}
	for name, more := range o.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Content-Encoding", "Content-Language", "Content-Disposition", "Cache-Control":
			values = append(values, more...)
		default:
			return "the header " + name + " is not kept with a file"
		}
	}
	for _, value := range values {
		if strings.ContainsFunc(value, unicode.IsControl) {
			return "Type, Description, Key and Header have no control characters"
		}
	}
	if o.PartSize < 0 || o.Concurrency < 0 || o.IfMatch != nil && *o.IfMatch < 0 {
		return "PartSize, Concurrency and IfMatch are not negative"
	}
	return ""
}

// watch looks at a source that is a file, and returns what reports a change of its size or time.
func watch(path string, source any) func() error {
	stater, ok := source.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return func() error { return nil }
	}
	before, err := stater.Stat()
	return func() error {
		now, again := stater.Stat()
		switch {
		case err != nil || again != nil:
			return cmp.Or(err, again)
		case now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime()):
			return invalid(ErrChanged, path, "the source has another size or time than at the beginning")
		}
		return nil
	}
}

// description is what a start and a simple upload say of the file.
func (u *upload) description() http.Header {
	h := u.options.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	setVersion(h, u.options.IfMatch)
	if u.options.Type != "" {
		h.Set("Type", u.options.Type)
	}
	if u.options.Description != "" {
		h.Set("Description", u.options.Description)
	}
	if !u.options.Timestamp.IsZero() {
		h.Set("Timestamp", u.options.Timestamp.UTC().Format(time.RFC3339Nano))
	}
	return h
}

// version is what the file has when it is uploaded.
func (u *upload) version() int64 {
	if u.options.IfMatch == nil {
		return 0
	}
	return *u.options.IfMatch + 1
}

// start opens the upload, or finds the one that an earlier run has opened.
func (u *upload) start(ctx context.Context) error {
	h := u.description()
	h.Set("Idempotency-Key", u.options.Key)
	if u.size > 0 {
		h.Set("X-File-Size", strconv.FormatInt(u.size, 10))
	}
	a, err := u.do(ctx, &request{op: "start", method: http.MethodPut, address: fileAddress(u.path) + "?upload=start", header: h})
	if err != nil {
		return err
	}
	u.limits, u.started = limitsOf(a.header), true
	return nil
}

// sendWhole sends a file in one request.
func (u *upload) sendWhole(ctx context.Context, section *io.SectionReader) (*File, error) {
	sum, err := sumOf(ctx, section, "")
	if err != nil {
		return nil, u.local(err)
	}
	h := u.description()
	// A key of the path alone would have other bytes of this size taken for these.
	h.Set("Idempotency-Key", fmt.Sprintf("%.200s-%016x", u.options.Key, sum.crc64))
	a, err := u.put(ctx, &request{op: "put", address: fileAddress(u.path), header: h, body: section}, sum.crc64)
	if errors.Is(err, ErrConflict) {
		return u.settle(ctx, err, func() (uint64, error) { return sum.crc64, nil })
	}
	if err != nil {
		return nil, err
	}
	u.meter.done(u.size, false)
	return u.verify(ctx, a, sum.crc64)
}

// settle looks for the file after a conflict: an earlier run, or another process with the same
// bytes, may have completed it. Else the error is cause.
func (u *upload) settle(ctx context.Context, cause error, sum func() (uint64, error)) (*File, error) {
	f, err := u.stat(ctx)
	if err != nil || f.Version != u.version() || f.Size != u.size {
		return nil, cause
	}
	if listed := f.crc64(); listed != "" {
		own, err := sum()
		if err != nil {
			return nil, u.local(err)
		}
		if listed != encodeCRC(own) {
			return nil, cause
		}
	} else if t := u.options.Timestamp; t.IsZero() || !t.Truncate(time.Millisecond).Equal(f.Timestamp.Truncate(time.Millisecond)) {
		return nil, cause
	}
	u.meter.settle(u.size)
	return f, nil
}

// verify compares the finished file with what was sent. A file that was replaced or deleted since
// cannot be compared, and is told of as it was completed.
func (u *upload) verify(ctx context.Context, done *answer, crc uint64) (*File, error) {
	version, err := strconv.ParseInt(done.header.Get("ETag"), 10, 64)
	if err != nil {
		version = u.version()
	}
	f, err := u.stat(ctx)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && f.Version != version:
		return &File{Path: u.path, Size: u.size, Version: version, Type: u.options.Type, Description: u.options.Description, Timestamp: u.options.Timestamp}, nil
	case err != nil:
		return nil, err
	case f.Size != u.size:
		return nil, invalid(ErrChecksum, u.path, fmt.Sprintf("the finished file has %d bytes, not the %d that were sent", f.Size, u.size))
	case f.crc64() != "" && f.crc64() != encodeCRC(crc):
		return nil, invalid(ErrChecksum, u.path, "the finished file has the CRC64NVME "+f.crc64()+", and what was sent "+encodeCRC(crc))
	}
	return f, nil
}

// local is an error of this side as callers see it.
func (u *upload) local(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Op: "read source", Path: u.path, Err: err}
}
