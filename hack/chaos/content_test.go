package main

import (
	"bytes"
	"io"
	"testing"
)

// TestCompare: a file is one of what each part may be, and not a byte else.
func TestCompare(t *testing.T) {
	one, other, last := content{"one", 1000}, content{"other", 1000}, content{"last", 10}
	a := &attempt{pieces: []*piece{{number: 1, acked: &one, unsure: []content{other}}, {number: 2, acked: &last}}}
	text := func(parts ...content) []byte {
		var b bytes.Buffer
		for _, p := range parts {
			_, _ = io.Copy(&b, p.reader())
		}
		return b.Bytes()
	}
	flipped := text(one, last)
	flipped[999] ^= 1
	for name, tt := range map[string]struct {
		bytes []byte
		good  bool
	}{
		"acknowledged": {text(one, last), true}, "unanswered": {text(other, last), true}, "flipped": {flipped, false}, "short": {text(one), false},
		"long": {text(one, last, last), false}, "swapped": {text(last, one), false}, "empty": {nil, false},
	} {
		if err := new(file).compare(a, bytes.NewReader(tt.bytes)); (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
