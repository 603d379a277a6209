package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// resultSize is that of each file of results: some parts, the last of them short.
const resultSize = 20_000_000

// results stands in for the work of docs/examples: below the directory that is its first argument
// it makes two files, and then the one of its second. It prints what they are.
func results(_ context.Context, args []string) error {
	for _, name := range []string{"run.bin", "logs/run.log"} {
		content := make([]byte, resultSize)
		_, _ = rand.Read(content)
		path := filepath.Join(args[0], name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // the same
			return err
		}
		line, err := json.Marshal(map[string]string{"name": strings.TrimPrefix(path, args[0]+"/"), "sha256": fmt.Sprintf("%x", sha256.Sum256(content))})
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return os.WriteFile(args[1], nil, 0o600)
}
