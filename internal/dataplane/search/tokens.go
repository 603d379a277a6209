package search

import "strings"

// token is a word, an operator or a value of a filter.
type token struct {
	text   string
	quoted bool
}

// tokenize cuts a filter into words, operators and values. A quote within a quoted value is
// doubled.
func tokenize(s string) ([]token, bool) {
	var out []token
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return out, true
		}
		t, rest, ok := cutToken(s)
		if !ok {
			return nil, false
		}
		out, s = append(out, t), rest
	}
}

// cutToken takes the first token off s, which is not empty and does not begin with a space.
func cutToken(s string) (t token, rest string, ok bool) {
	switch ch := s[0]; {
	case ch == '\'' || ch == '"':
		t.quoted = true
		t.text, rest, ok = unquote(s)
		return t, rest, ok
	case strings.IndexByte("=<>", ch) >= 0:
		n := 1
		if len(s) > 1 && ch != '=' && s[1] == '=' {
			n = 2
		}
		return token{text: s[:n]}, s[n:], true
	default:
		n := strings.IndexAny(s, " \t='\"<>")
		if n < 0 {
			n = len(s)
		}
		return token{text: s[:n]}, s[n:], true
	}
}

// unquote reads the quoted value that s begins with.
func unquote(s string) (text, rest string, ok bool) {
	quote := s[:1]
	var b strings.Builder
	for s = s[1:]; ; s = s[1:] {
		inner, after, found := strings.Cut(s, quote)
		if !found {
			return "", "", false
		}
		b.WriteString(inner)
		if s = after; !strings.HasPrefix(s, quote) {
			return b.String(), s, s == "" || s[0] == ' ' || s[0] == '\t'
		}
		b.WriteString(quote)
	}
}
