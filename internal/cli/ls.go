package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// lsOptions are the flags of ls.
type lsOptions struct {
	output
	recursive     bool
	filter, order string
	limit         int
}

func (e *environment) ls() *cobra.Command {
	o := &lsOptions{}
	cmd := &cobra.Command{
		Use:     "ls [ENTITY[/PATH]]",
		Aliases: []string{"list"},
		Short:   "List files",
		Long: `List the files of an entity, or those below a path. What lies further below is one line for each segment, with a slash,
the number of its files and the sum of their sizes, unless -r is given.

The filter is that of the REST API: comparisons of name, path, size, type, timestamp, created, updated, createdBy,
updatedBy, description and etag with eq, gt, gte, lt, lte, joined by and; * in a value stands for any characters. One
that the server cannot read it ignores. A list ends behind 10,500 files, with an error: a longer path or a filter cuts
it into several.`,
		Example: examples(`
kubectl iotfile ls 0123456789abcdef0123456789abcdef
kubectl iotfile ls -r 0123456789abcdef0123456789abcdef/logs/
# the ten newest of more than a gigabyte
kubectl iotfile ls -r --filter 'size gt 1000000000' --order 'updated desc' --limit 10 0123456789abcdef0123456789abcdef
# every name, for a script
kubectl iotfile ls -r -o name 0123456789abcdef0123456789abcdef`),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.runLs(cmd.Context(), o, strings.Join(args, ""))
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.recursive, "recursive", "r", false, "List all files below, one a line")
	flags.StringVar(&o.filter, "filter", "", "Which files, such as \"name eq '*.log' and size gt 1000\"")
	flags.StringVar(&o.order, "order", "", "By which property, and asc or desc, such as \"updated desc\" (default by path)")
	flags.IntVar(&o.limit, "limit", 0, "At most so many files; 0 for all")
	o.add(cmd, formatWide, formatName)
	return cmd
}

func (e *environment) runLs(ctx context.Context, o *lsOptions, arg string) error {
	p, err := e.place(arg)
	if err != nil {
		return err
	}
	if o.limit < 0 {
		return usagef("--limit is not negative")
	}
	c, err := e.flags.Connect(ctx, nil)
	if err != nil {
		return err
	}
	l := &lister{client: c.Client}
	files, err := l.list(ctx, p, &iotfile.SearchOptions{Filter: o.filter, Order: o.order, Limit: o.limit})
	if err != nil {
		return err
	}
	if len(files) == 0 && !p.dir && o.filter == "" {
		// The path of a file names that file.
		f, err := c.Stat(ctx, p.file())
		switch {
		case err == nil:
			files, p.path = append(files, f), parent(p.path)
		case !errors.Is(err, iotfile.ErrNotFound):
			return err
		}
	}
	if o.objects() {
		items := []map[string]any{}
		for _, f := range files {
			if o.recursive || !strings.Contains(strings.TrimPrefix(f.Path, p.below("")), "/") {
				items = append(items, fileObject(f))
			}
		}
		return o.printList(e.Out, "File", items)
	}
	return e.printFiles(o, p, files)
}

// parent is the path above a file, "" for that of the entity.
func parent(path string) string {
	return path[:max(0, strings.LastIndex(path, "/"))]
}

// line is one of a list: a file, or all files below a segment.
type line struct {
	name    string
	file    *iotfile.File
	files   int
	size    int64
	updated time.Time
}

// lines makes the lines of a list.
func (o *lsOptions) lines(p place, files []*iotfile.File) []*line {
	var out []*line
	groups := map[string]*line{}
	for _, f := range files {
		name := strings.TrimPrefix(f.Path, p.below(""))
		segment, _, below := strings.Cut(name, "/")
		if o.recursive || !below {
			out = append(out, &line{name: name, file: f, files: 1, size: f.Size, updated: f.Updated})
			continue
		}
		g := groups[segment]
		if g == nil {
			g = &line{name: segment + "/"}
			groups[segment] = g
			out = append(out, g)
		}
		g.files++
		g.size += f.Size
		if f.Updated.After(g.updated) {
			g.updated = f.Updated
		}
	}
	return out
}

func (e *environment) printFiles(o *lsOptions, p place, files []*iotfile.File) error {
	lines := o.lines(p, files)
	if o.format == formatName {
		for _, l := range lines {
			fmt.Fprintln(e.Out, e.plainName(p.below(l.name)))
		}
		return nil
	}
	if len(lines) == 0 {
		fmt.Fprintln(e.Err, "No files.")
		return nil
	}
	wide := o.format == formatWide
	head := []string{"NAME", "SIZE", "VERSION", "UPDATED", "TYPE"}
	if wide {
		head = append(head, "UPDATED BY", "DESCRIPTION")
	}
	t := newTable(e.Out, head...)
	for _, l := range lines {
		cells := []string{l.name, report.Size(l.size), "-", when(l.updated), fmt.Sprintf("%d files", l.files)}
		if l.file != nil {
			cells[2], cells[4] = strconv.FormatInt(l.file.Version, 10), l.file.Type
			if wide {
				cells = append(cells, l.file.UpdatedBy, l.file.Description)
			}
		}
		t.row(cells...)
	}
	return t.flush()
}

// lister lists files.
type lister struct{ client *iotfile.Client }

// filterMax is how long a filter of the API may be, in bytes.
const filterMax = 1024

// list gives the files below a place that the options mean, to their limit.
func (l *lister) list(ctx context.Context, p place, o *iotfile.SearchOptions) ([]*iotfile.File, error) {
	search, below := *o, p.below("")
	search.Limit = 0 // of what is left here
	if p.path != "" {
		// A star in the path would stand for others, so that the pattern ends before it.
		pattern, _, _ := strings.Cut(p.path+"/", "*")
		filter := "path eq '" + strings.ReplaceAll(pattern, "'", "''") + "*'"
		if search.Filter != "" {
			filter += " and " + search.Filter
		}
		if len(filter) <= filterMax || search.Filter != "" {
			search.Filter = filter
		}
	}
	var out []*iotfile.File
	for f, err := range l.client.Search(ctx, p.entity, &search) {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(f.Path, below) {
			out = append(out, f)
		}
		if o.Limit > 0 && len(out) == o.Limit {
			break
		}
	}
	return out, nil
}
