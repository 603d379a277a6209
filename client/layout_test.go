package iotfile

import "testing"

func TestLayout(t *testing.T) {
	usual := limits{5 * mib, 5 << 30, 1000}
	for _, tt := range []struct {
		name       string
		size, wish int64
		limits     limits
		listed     []Part
		part       int64
		count      int
	}{
		{"one byte", 1, 0, usual, nil, 16 * mib, 1},
		{"exactly two", 32 * mib, 0, usual, nil, 16 * mib, 2},
		{"one byte more", 32*mib + 1, 0, usual, nil, 16 * mib, 3},
		{"a wish", 32 * mib, 8 * mib, usual, nil, 8 * mib, 4},
		{"a wish below the smallest", 32 * mib, mib, usual, nil, 5 * mib, 7},
		{"too many parts", 100 << 30, 0, usual, nil, 103 * mib, 995},
		{"the largest parts", 20 * mib, 16 * mib, limits{5 * mib, 8 * mib, 1000}, nil, 8 * mib, 3},
		{"begun with other parts", 40 * mib, 16 * mib, usual, []Part{{Number: 2, Size: 8 * mib}}, 8 * mib, 5},
		{"begun with these", 40 * mib, 16 * mib, usual, []Part{{Number: 2, Size: 16 * mib}, {Number: 3, Size: 8 * mib}}, 16 * mib, 3},
		{"only its last one", 40 * mib, 16 * mib, usual, []Part{{Number: 3, Size: 8 * mib}}, 16 * mib, 3},
		{"begun with a mixture", 40 * mib, 16 * mib, usual, []Part{{Number: 1, Size: 8 * mib}, {Number: 2, Size: 9 * mib}}, 16 * mib, 3},
	} {
		l, err := layoutOf(tt.size, tt.limits, tt.wish, tt.listed)
		if err != nil || l.part != tt.part || l.count != tt.count {
			t.Errorf("%s: %d parts of %d bytes (%v), not %d of %d", tt.name, l.count, l.part, err, tt.count, tt.part)
		}
		sum := int64(0)
		for n := 1; n <= l.count; n++ {
			offset, size := l.piece(n)
			if offset != sum || size < 1 {
				t.Errorf("%s: part %d is [%d, +%d), behind %d", tt.name, n, offset, size, sum)
			}
			sum += size
		}
		if sum != tt.size {
			t.Errorf("%s: the parts have %d bytes", tt.name, sum)
		}
	}
	if _, err := layoutOf(100*mib, limits{5 * mib, 8 * mib, 10}, 0, nil); err == nil {
		t.Error("a file that no parts hold is cut")
	}
}
