package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/openapi"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// listedFile is a file in a listing, with all that clients of the real service read of it.
type listedFile struct {
	Name, Path, Type, Timestamp, Created, Updated, TenantID, StoragePrefix string
	CreatedBy, UpdatedBy, Description                                      string
	Size                                                                   int64
	ETag                                                                   *int64
}

// checkWhole makes sure that nothing is missing, and that times are times.
func (f listedFile) checkWhole(t *testing.T, namespace string) {
	t.Helper()
	if f.Name == "" || f.Type == "" || f.Size == 0 || f.ETag == nil || f.CreatedBy == "" || f.UpdatedBy == "" || f.TenantID != namespace || f.StoragePrefix != namespace {
		t.Errorf("something is missing in the listing: %+v", f)
	}
	for _, text := range []string{f.Timestamp, f.Created, f.Updated} {
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			t.Errorf("in the listing of %s: %v", f.Name, err)
		}
	}
}

// generatedReport is what a generated client has seen.
type generatedReport struct {
	Limits   []int64
	Location string
	Parts    []struct {
		ObjectKey, Checksum string
		PartNo              int
		Size                int64
	}
	Size                    int
	SHA256                  string
	MediaType, CacheControl string
	Files                   []listedFile
}

// TestGeneratedClients: clients that are generated from the OpenAPI document as it is, and that
// know nothing of paths with slashes, send a file in parts, and read it, its parts and the listing
// back.
func TestGeneratedClients(t *testing.T) {
	clients := map[string][]string{"Go": generateGo(t), "TypeScript": generateTypeScript(t)}
	onEachStore(t, func(t *testing.T, tn *tenant) {
		for name, command := range clients {
			t.Run(name, func(t *testing.T) { runGenerated(t, tn, command) })
		}
	})
}

// runGenerated runs the client, and compares what it has seen.
func runGenerated(t *testing.T, tn *tenant, command []string) {
	f := tn.newFile("logs/2026/50%25%20%C3%BC.bin")
	content := [][]byte{random(partSize), random(partSize + 1), random(partSize + 77)}
	args := append(slices.Clone(command[1:]), strings.TrimSuffix(f.url("", ""), "//"+f.entity+"/"+f.path), tn.token, f.entity, "logs/2026/50% ü.bin", "application/x-engine")
	for _, part := range content {
		args = append(args, onDisk(t, part))
	}
	var seen generatedReport
	if err := json.Unmarshal(runProgram(t, "", command[0], args...), &seen); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen.Limits, []int64{5 * mib, 5 << 30, 1000}) {
		t.Errorf("the start tells the limits %v", seen.Limits)
	}
	if !strings.HasSuffix(seen.Location, "/api/iotfile/v3/files/"+f.entity+"/"+f.path) {
		t.Errorf("the file is at %s", seen.Location)
	}
	whole := bytes.Join(content, nil)
	if sum := sha256.Sum256(whole); seen.Size != len(whole) || seen.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%d bytes with the sum %s are read back, and they are not those that were sent", seen.Size, seen.SHA256)
	}
	if seen.MediaType != "application/x-engine" || seen.CacheControl != "private, max-age=60" {
		t.Errorf("the file is served as %q, %q", seen.MediaType, seen.CacheControl)
	}
	for i, p := range seen.Parts {
		if p.PartNo != i+1 || p.Size != int64(len(content[i])) || p.Checksum != "crc64nvme:"+testkit.CRC64NVME(content[i]) || p.ObjectKey != tn.namespace+"/"+f.entity+"/logs/2026/50% ü.bin" {
			t.Errorf("part %d is listed as %+v", i+1, p)
		}
	}
	if len(seen.Parts) != len(content) || len(seen.Files) != 1 {
		t.Fatalf("%d parts and %d files are listed", len(seen.Parts), len(seen.Files))
	}
	listed := seen.Files[0]
	listed.checkWhole(t, tn.namespace)
	if listed.Path+listed.Name != "logs/2026/50% ü.bin" || listed.Type != "application/x-engine" || listed.Size != int64(len(whole)) || *listed.ETag != 0 {
		t.Errorf("the file is listed as %+v", listed)
	}
	f.must(t, 204, "DELETE", "", nil)
}

// generateGo generates and builds the client of generated/go, and returns the command that runs it.
func generateGo(t *testing.T) []string {
	t.Helper()
	dir := copyOf(t, filepath.Join("generated", "go"))
	runProgram(t, dir, "go", "tool", "oapi-codegen", "-config", "config.yaml", "openapi.yaml")
	program := filepath.Join(dir, "generatedclient")
	runProgram(t, dir, "go", "build", "-o", program, ".")
	return []string{program}
}

// generateTypeScript generates the client of generated/typescript, checks its types, and returns
// the command that runs it.
func generateTypeScript(t *testing.T) []string {
	t.Helper()
	source := filepath.Join("generated", "typescript")
	installed := installPackages(t, source)
	dir := copyOf(t, source)
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	runProgram(t, dir, "node", "node_modules/openapi-typescript/bin/cli.js", "openapi.yaml", "--output", "schema.d.ts")
	runProgram(t, dir, "node", "node_modules/typescript/bin/tsc")
	return []string{"node", filepath.Join(dir, "client.js")}
}

// copyOf copies the files of a directory, and puts the OpenAPI document beside them.
func copyOf(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "openapi.yaml"), openapi.Document(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runProgram runs a program in a directory and returns what it prints.
func runProgram(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // of which the first run builds the generator for most
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strconv.Quote(strings.Join(args[:min(2, len(args))], " ")), err, stderr.Bytes(), out)
	}
	return out
}
