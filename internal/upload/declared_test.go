package upload_test

import (
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestAdmitDeclared(t *testing.T) {
	sizes := upload.Sizes{1: 40, 2: 40}
	for _, c := range []struct {
		name     string
		declared int64
		number   int32
		size     int64
		refused  bool
	}{
		{"Fits", 100, 3, 20, false},
		{"TooMuch", 100, 3, 21, true},
		{"Replaces", 80, 2, 40, false},
		{"ReplacesBySmaller", 80, 2, 1, false},
		{"ReplacesByLarger", 80, 2, 41, true},
		{"ReplacesByLargerThatFits", 100, 2, 60, false},
		{"ReplacesWhereThereIsTooMuchAlready", 50, 2, 40, false},
		{"LargerThanTheFile", 30, 2, 31, true},
	} {
		if err := upload.AdmitDeclared(c.declared, sizes.Sum(), sizes.Growth(c.number, c.size), c.size); (err != nil) != c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
