package failpoint_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
)

// A release holds nothing of this package: not its code, not the names of its points. That the
// search would find them is shown on a build with the tag.
func TestReleaseKnowsNoPoints(t *testing.T) {
	if testing.Short() {
		t.Skip("links the operator twice")
	}
	words := []string{failpoint.Variable, failpoint.OptionsVariable, "internal/failpoint"}
	for _, name := range failpoint.All() {
		words = append(words, string(name))
	}
	for build, flags := range map[string][]string{"release": nil, "tagged": {"-tags", "failpoints"}} {
		t.Run(build, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "operator")
			if err := devcluster.BuildOperator(t.Context(), os.Stderr, path, flags...); err != nil {
				t.Fatal(err)
			}
			binary, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range words {
				if found := bytes.Contains(binary, []byte(word)); found != (build == "tagged") {
					t.Errorf("the binary holds %q: %t", word, found)
				}
			}
		})
	}
}
