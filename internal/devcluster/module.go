package devcluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// modulePath is the module whose root holds hack/tools, config and cmd/operator.
const modulePath = "github.com/iotfile-operator/iotfile-operator"

// ModuleRoot returns the absolute path of the checkout that the working directory lies in, found by
// its go.mod. The nested modules in hack/tools are passed over. Tests run in their package's
// directory, so it works in any of them.
func ModuleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if bytes.HasPrefix(data, []byte("module "+modulePath+"\n")) {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", fmt.Errorf("%s is not inside a checkout of %s", start, modulePath)
		}
	}
}
