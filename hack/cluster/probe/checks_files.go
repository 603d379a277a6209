package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

func abort(ctx context.Context, a *api) error {
	f := newFile("aborted.bin")
	_, start := a.want(ctx, 201, http.MethodPut, f.url("?upload=start"), nil)
	_, part := a.want(ctx, 201, http.MethodPut, f.url("?part=1"), content(f.entity, minPart))
	_, gone := a.want(ctx, 204, http.MethodPut, f.url("?upload=abort"), nil)
	_, list := a.want(ctx, 404, http.MethodGet, f.list(), nil)
	_, late := a.want(ctx, 409, http.MethodPut, f.url("?part=2"), content(f.entity, minPart))
	_, read := a.want(ctx, 404, http.MethodGet, f.url(""), nil)
	return errors.Join(start, part, gone, list, late, read)
}

func badParts(ctx context.Context, a *api) error {
	f := newFile("holes.bin")
	_, start := a.want(ctx, 201, http.MethodPut, f.url("?upload=start"), nil)
	_, small := a.want(ctx, 400, http.MethodPut, f.url("?part=1"), content(f.entity, minPart-1))
	_, part := a.want(ctx, 201, http.MethodPut, f.url("?part=2"), content(f.entity, minPart))
	_, hole := a.want(ctx, 400, http.MethodPut, f.url("?upload=complete"), nil)
	_, gone := a.want(ctx, 204, http.MethodPut, f.url("?upload=abort"), nil)
	return errors.Join(start, small, part, hole, gone)
}

func simple(ctx context.Context, a *api) error {
	f := newFile("simple.bin")
	whole := content(f.entity, 64<<10)
	_, put := a.want(ctx, 201, http.MethodPut, f.url(""), whole)
	_, exists := a.want(ctx, 409, http.MethodPut, f.url(""), whole)
	head, err := a.want(ctx, 200, http.MethodHead, f.url(""), nil)
	if err := errors.Join(put, exists, err); err != nil {
		return err
	}
	if length := head.header.Get("Content-Length"); length != "65536" {
		return fmt.Errorf("the Content-Length is %q", length)
	}
	part, err := a.want(ctx, 206, http.MethodGet, f.url(""), nil, "Range", "bytes=100-199")
	if err != nil {
		return err
	}
	_, deleted := a.want(ctx, 204, http.MethodDelete, f.url(""), nil)
	_, gone := a.want(ctx, 404, http.MethodGet, f.url(""), nil)
	return errors.Join(same(part.body, whole[100:200]), deleted, gone)
}

func search(ctx context.Context, a *api) error {
	f := newFile("found/one.bin")
	other := file{f.entity, "found/two.bin"}
	_, one := a.want(ctx, 201, http.MethodPut, f.url(""), content("1", 10))
	_, two := a.want(ctx, 201, http.MethodPut, other.url(""), content("2", 20))
	found, err := a.want(ctx, 200, http.MethodGet, "/files/"+f.entity+"?filter="+url.QueryEscape(`name eq "two.bin"`), nil)
	if err := errors.Join(one, two, err); err != nil {
		return err
	}
	var files []struct {
		Name, Path string
		Size       int
	}
	if json.Unmarshal(found.body, &files) != nil || len(files) != 1 || files[0].Path+files[0].Name != other.path || files[0].Size != 20 {
		return fmt.Errorf("found %s", found.body)
	}
	return nil
}

// begin opens an upload of the file that its arguments name, and sends a part; another process, and
// another version of the operator, goes on.
func begin(ctx context.Context, args []string) error {
	a, f, err := named(args)
	if err != nil {
		return err
	}
	_, start := a.want(ctx, 201, http.MethodPut, f.url("?upload=start"), nil)
	_, part := a.want(ctx, 201, http.MethodPut, f.url("?part=1"), content(f.entity, minPart))
	return errors.Join(start, part)
}

// finish sends the second part of what begin has begun, completes and compares.
func finish(ctx context.Context, args []string) error {
	a, f, err := named(args)
	if err != nil {
		return err
	}
	_, part := a.want(ctx, 201, http.MethodPut, f.url("?part=2"), content(f.path, minPart))
	_, done := a.want(ctx, 201, http.MethodPut, f.url("?upload=complete"), nil)
	read, err := a.want(ctx, 200, http.MethodGet, f.url(""), nil)
	if err := errors.Join(part, done, err); err != nil {
		return err
	}
	return same(read.body, append(content(f.entity, minPart), content(f.path, minPart)...))
}

func named(args []string) (*api, file, error) {
	if len(args) != 2 {
		return nil, file{}, errors.New("name an entity and a path")
	}
	a, err := newAPI(true)
	return a, file{args[0], args[1]}, err
}
