package main

import (
	"context"
	"errors"
	"net/http"
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
