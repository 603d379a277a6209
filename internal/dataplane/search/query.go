package search

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
)

const (
	maxLimit  = 500
	maxOffset = 10_000
)

// Query is what a search asks for.
type Query struct {
	filter        filter
	order         ordering
	offset, limit int
}

// ordering is the order of the answer; the zero value is that of the keys, which is what a listing
// gives.
type ordering struct {
	field field
	desc  bool
}

// Parse reads the query of a search (docs/rest-api.md, "Search"). What is no filter and no order is
// ignored, as the service does that this API comes from; numbers out of their bounds are refused.
// count needs no reading: the total is always sent.
func Parse(rawQuery string) (Query, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return Query{}, apierror.BadRequest("the query cannot be read: percent-encode it")
	}
	q := Query{order: parseOrder(values.Get("order"))}
	if err := checkFilter(values.Get("filter")); err != nil {
		return q, err
	}
	q.filter, _ = parseFilter(values.Get("filter"))
	if q.limit, err = parseCount(values, "limit", maxLimit, 1, maxLimit); err != nil {
		return q, err
	}
	q.offset, err = parseCount(values, "offset", 0, 0, maxOffset)
	return q, err
}

// A filter is held against each file of the entity, and each "*" in it against each byte of a name.
// These bound what that costs.
const (
	maxFilterBytes = 1 << 10
	maxWildcards   = 8
)

// checkFilter refuses a filter that would cost too much, also one that would be ignored as
// malformed.
func checkFilter(s string) error {
	if len(s) > maxFilterBytes {
		return apierror.BadRequest(fmt.Sprintf("the filter has %d bytes, and may have %d: search for less at once", len(s), maxFilterBytes))
	}
	if n := strings.Count(s, "*"); n > maxWildcards {
		return apierror.BadRequest(fmt.Sprintf("the filter has %d wildcards (*), and may have %d: search for less at once", n, maxWildcards))
	}
	return nil
}

func parseCount(values url.Values, name string, absent, least, most int) (int, error) {
	s := values.Get(name)
	if s == "" {
		return absent, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || int(n) < least || int(n) > most {
		return 0, apierror.BadRequest(fmt.Sprintf("%s must be an integer from %d to %d: narrow the search with a filter to see more", name, least, most))
	}
	return int(n), nil
}

// parseOrder reads one property and a direction, such as "updated desc".
func parseOrder(s string) ordering {
	words := strings.Fields(s)
	if len(words) == 0 || len(words) > 2 {
		return ordering{}
	}
	f, ok := parseField(words[0])
	desc := len(words) == 2 && strings.EqualFold(words[1], "desc")
	if !ok || (len(words) == 2 && !desc && !strings.EqualFold(words[1], "asc")) {
		return ordering{}
	}
	return ordering{field: f, desc: desc}
}

// needsMetadata reports whether each object has to be asked for what a listing does not tell.
func (q Query) needsMetadata() bool {
	return q.filter.needsMetadata() || (q.order.field != "" && !q.order.field.listed())
}

// compare puts files into the order that was asked for. Files of one name are ordered by their
// paths, all else by their keys.
func (o ordering) compare(a, b *File) int {
	order := 0
	if o.field != "" {
		order = a.sort.compare(b.sort)
	}
	if order == 0 && o.field == fieldName {
		order = cmp.Compare(a.path, b.path)
	}
	if order == 0 {
		order = cmp.Compare(a.object.Key, b.object.Key)
	}
	if o.desc {
		return -order
	}
	return order
}
