package search

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/content"
)

// field is a property of a file that can be searched for and ordered by.
type field string

const (
	fieldName        field = "name"
	fieldPath        field = "path"
	fieldType        field = "type"
	fieldSize        field = "size"
	fieldTimestamp   field = "timestamp"
	fieldCreated     field = "created"
	fieldUpdated     field = "updated"
	fieldCreatedBy   field = "createdBy"
	fieldUpdatedBy   field = "updatedBy"
	fieldDescription field = "description"
	fieldETag        field = "etag"
)

// listedFields are those that a listing of object storage tells; for the others each object is
// asked by itself.
var listedFields = []field{fieldName, fieldPath, fieldSize, fieldUpdated}

var fields = append(slices.Clone(listedFields),
	fieldType, fieldTimestamp, fieldCreated, fieldCreatedBy, fieldUpdatedBy, fieldDescription, fieldETag)

// listed reports whether a listing tells the field.
func (f field) listed() bool { return slices.Contains(listedFields, f) }

func parseField(s string) (field, bool) {
	for _, f := range fields {
		if strings.EqualFold(string(f), s) {
			return f, true
		}
	}
	return "", false
}

// value is a property's value. Numbers and times are compared as numbers, everything else as text.
// known is false for what a file does not have.
type value struct {
	text    string
	number  int64
	numeric bool
	known   bool
}

func textValue(s string) value { return value{text: s, known: true} }

func numberValue(n int64) value {
	return value{text: strconv.FormatInt(n, 10), number: n, numeric: true, known: true}
}

// timeValue is a time in milliseconds, which is what is shown of it.
func timeValue(t time.Time) value {
	return value{text: formatTime(t), number: t.UnixMilli(), numeric: true, known: !t.IsZero()}
}

func (v value) compare(w value) int {
	if v.numeric && w.numeric {
		return cmp.Compare(v.number, w.number)
	}
	return cmp.Compare(v.text, w.text)
}

// formatTime writes times as they are shown and searched for: ISO 8601, UTC, milliseconds.
func formatTime(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// clause is one comparison of a filter.
type clause struct {
	field field
	op    operator
	value value
	// wildcard: the value holds "*", which stands for any characters.
	wildcard bool
}

type operator int

const (
	opEqual operator = iota + 1
	opGreater
	opGreaterOrEqual
	opLess
	opLessOrEqual
)

var operators = map[string]operator{
	"eq": opEqual, "=": opEqual, "gt": opGreater, ">": opGreater, "gte": opGreaterOrEqual, ">=": opGreaterOrEqual,
	"lt": opLess, "<": opLess, "lte": opLessOrEqual, "<=": opLessOrEqual,
}

// maxClauses bounds what one filter costs per file.
const maxClauses = 32

// filter is what files must fulfil: all of its clauses.
type filter []clause

// parseFilter reads a filter such as "name eq 'a*.txt' and size gt 100" (docs/rest-api.md,
// "Search"). ok is false for a malformed one, which is to be ignored.
func parseFilter(s string) (f filter, ok bool) {
	tokens, ok := tokenize(s)
	if !ok || len(tokens) == 0 {
		return nil, len(tokens) == 0 && ok
	}
	for {
		if len(tokens) < 3 || len(f) == maxClauses {
			return nil, false
		}
		c, ok := parseClause(tokens[0], tokens[1], tokens[2])
		if !ok {
			return nil, false
		}
		f, tokens = append(f, c), tokens[3:]
		switch {
		case len(tokens) == 0:
			return f, true
		case tokens[0].quoted || !strings.EqualFold(tokens[0].text, "and"):
			return nil, false
		}
		tokens = tokens[1:]
	}
}

func parseClause(name, op, val token) (clause, bool) {
	f, ok := parseField(name.text)
	o := operators[strings.ToLower(op.text)]
	if !ok || o == 0 || name.quoted || op.quoted {
		return clause{}, false
	}
	c := clause{field: f, op: o, wildcard: o == opEqual && strings.Contains(val.text, "*")}
	if c.wildcard {
		c.value = textValue(val.text)
		return c, true
	}
	c.value, ok = parseValue(f, val.text)
	return c, ok
}

// parseValue reads a value as one of the field's kind.
func parseValue(f field, text string) (value, bool) {
	switch f {
	case fieldSize, fieldETag:
		n, err := strconv.ParseInt(text, 10, 64)
		return numberValue(n), err == nil
	case fieldTimestamp, fieldCreated, fieldUpdated:
		t, ok := content.ParseTimestamp(text)
		return timeValue(t), ok
	case fieldPath:
		return textValue(strings.TrimSuffix(text, "/")), true
	default:
		return textValue(text), true
	}
}

// needsMetadata reports whether a listing is not enough to tell.
func (f filter) needsMetadata() bool {
	return slices.ContainsFunc(f, func(c clause) bool { return !c.field.listed() })
}

// matches reports whether a file fulfils the clauses, those on listed fields only, or only the
// others.
func (f filter) matches(of func(field) value, listed bool) bool {
	for _, c := range f {
		if c.field.listed() == listed && !c.matches(of(c.field)) {
			return false
		}
	}
	return true
}

func (c clause) matches(v value) bool {
	if !v.known {
		return false
	}
	if c.wildcard {
		// A path is matched with and without the slash at its end.
		return glob(c.value.text, v.text) || (c.field == fieldPath && glob(c.value.text, strings.TrimSuffix(v.text, "/")))
	}
	if c.field == fieldPath {
		v.text = strings.TrimSuffix(v.text, "/")
	}
	order := v.compare(c.value)
	switch c.op {
	case opEqual:
		return order == 0
	case opGreater:
		return order > 0
	case opGreaterOrEqual:
		return order >= 0
	case opLess:
		return order < 0
	default:
		return order <= 0
	}
}

// pathPrefix is what the path of every file that can match begins with: it narrows the listing.
func (f filter) pathPrefix() string {
	for _, c := range f {
		if c.field != fieldPath || c.op != opEqual {
			continue
		}
		if !c.wildcard {
			if c.value.text == "" {
				return ""
			}
			return c.value.text + "/"
		}
		prefix, _, _ := strings.Cut(c.value.text, "*")
		return prefix
	}
	return ""
}

// glob reports whether s is as the pattern says, in which "*" stands for any characters. It takes
// at most len(pattern)·len(s) steps.
func glob(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
