package iotfile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// searchPage is the most that the server gives at once, searchOffset the last place where a
	// page may begin.
	searchPage   = 500
	searchOffset = 10_000
)

// SearchOptions narrow a search.
type SearchOptions struct {
	// Filter is one of docs/rest-api.md, such as "path eq 'logs/' and size gt 1000"; "": all files.
	// One that cannot be read the server ignores.
	Filter string
	// Order is a property and asc or desc, such as "updated desc"; "": by path.
	Order string
	// Limit is how many files are told at most; 0: all.
	Limit int
}

// Search tells of the files of an entity, which is 32 lower-case hexadecimal digits. It asks for
// 500 at a time: files that come or go meanwhile may be left out, or told twice. An error is the
// last that it yields. It is ErrTooLarge behind 10,500 files: a search ends there, and a filter has
// to cut it into several.
func (c *Client) Search(ctx context.Context, entity string, options *SearchOptions) iter.Seq2[*File, error] {
	o := SearchOptions{}
	if options != nil {
		o = *options
	}
	return func(yield func(*File, error) bool) {
		err := checkEntity(entity)
		if err == nil {
			s := c.begin(entity, 1)
			defer s.end()
			err = s.search(ctx, o, func(f *File) bool { return yield(f, nil) })
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// search yields page after page, until yield or the server has enough.
func (c *call) search(ctx context.Context, o SearchOptions, yield func(*File) bool) error {
	for offset := 0; offset <= searchOffset; offset += searchPage {
		limit := searchPage
		if o.Limit > 0 {
			limit = min(limit, o.Limit-offset)
		}
		if limit <= 0 {
			return nil
		}
		files, total, err := c.page(ctx, o, offset, limit)
		if err != nil {
			return err
		}
		for _, f := range files {
			if !yield(f) {
				return nil
			}
		}
		if len(files) < limit || offset+len(files) >= total {
			return nil
		}
	}
	return invalid(ErrTooLarge, c.path, fmt.Sprintf("more than %d files match: narrow the filter", searchOffset+searchPage))
}

// listed is a file in a listing.
type listed struct {
	Name, Path, Type, Description string
	CreatedBy, UpdatedBy          string
	Size, ETag                    int64
	Timestamp, Created, Updated   time.Time
}

// page asks for one page, and how many files match in all.
func (c *call) page(ctx context.Context, o SearchOptions, offset, limit int) (files []*File, total int, err error) {
	query := url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(limit)}}
	if o.Filter != "" {
		query.Set("filter", o.Filter)
	}
	if o.Order != "" {
		query.Set("order", o.Order)
	}
	var found []listed
	a, err := c.do(ctx, &request{op: "search", method: http.MethodGet, address: "/files/" + c.path + "?" + query.Encode(), read: func(res *http.Response) error {
		found = nil
		return json.NewDecoder(res.Body).Decode(&found)
	}})
	if err != nil {
		return nil, 0, err
	}
	total, _ = strconv.Atoi(cmp.Or(a.header.Get("X-Total-Count"), a.header.Get("Count")))
	for _, f := range found {
		files = append(files, &File{
			Path: c.path + "/" + f.Path + f.Name, Size: f.Size, Version: f.ETag, Type: f.Type, Description: f.Description,
			Timestamp: f.Timestamp, Created: f.Created, Updated: f.Updated, CreatedBy: f.CreatedBy, UpdatedBy: f.UpdatedBy,
		})
	}
	return files, total, nil
}
