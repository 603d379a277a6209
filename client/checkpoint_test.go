package iotfile

import "testing"

// TestCheckpoint: a checkpoint counts for the file that it is of, and for no other.
func TestCheckpoint(t *testing.T) {
	f := &File{Tag: "3-abc", Size: 100}
	c := newCheckpoint(f, 10, nil)
	c.add(3, 1<<63+5)
	for name, tt := range map[string]struct {
		file    *File
		earlier []byte
		known   bool
	}{
		"the same": {f, c.encode(), true}, "none": {f, nil, false}, "garbage": {f, []byte("{"), false},
		"replaced": {&File{Tag: "4-abc", Size: 100}, c.encode(), false}, "another size": {&File{Tag: "3-abc", Size: 99}, c.encode(), false},
		"no ranges": {f, []byte(`{"tag":"3-abc","size":100,"partSize":0,"sums":{}}`), false},
	} {
		got := newCheckpoint(tt.file, 20, tt.earlier)
		crc, known := got.known(3)
		if known != tt.known || known && (crc != 1<<63+5 || got.PartSize != 10) || !known && got.PartSize != 20 {
			t.Errorf("%s: %+v", name, got)
		}
		if _, known := got.known(4); known {
			t.Errorf("%s: range 4 is known", name)
		}
	}
}
