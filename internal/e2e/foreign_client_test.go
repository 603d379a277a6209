package e2e

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// foreignFile is a file that the foreign client writes.
type foreignFile struct {
	*file
	// name is the path as it is given to the client, which encodes it by itself.
	name string
	// address is the path of its URL.
	address string
}

func (tn *tenant) newForeignFile(name, encoded string) *foreignFile {
	f := &foreignFile{file: tn.newFile(encoded), name: name}
	f.address = strings.TrimPrefix(f.url("files", ""), system.operator.URL)
	return f
}

// put is how the wiretap writes a PUT of the file and its answer.
func (f *foreignFile) put(query string, status int) string {
	return fmt.Sprintf("PUT %s%s %d", f.address, query, status)
}

// multipart is what the client says for an upload of n chunks.
func (f *foreignFile) multipart(n, status int) []string {
	out := []string{f.put("?upload=start", status), f.put("?upload=complete", status)}
	for i := 1; i < n; i++ {
		out = append(out, f.put("?part="+strconv.Itoa(i), status))
	}
	return out
}

// onDisk writes content to a file.
func onDisk(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "content.bin")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asBuffer is the content of a file, as the client takes it.
func asBuffer(path string) options { return options{"$buffer": path} }

// checkHash holds the client's own idea of what it has sent against content.
func checkHash(t *testing.T, o outcome, content []byte) {
	t.Helper()
	var got string
	o.into(t, &got)
	if sum := md5.Sum(content); got != hex.EncodeToString(sum[:]) {
		t.Errorf("the client has sent something else, with the hash %s", got)
	}
}

// holds makes sure that the client reads content and etag back.
func (f *foreignFile) holds(t *testing.T, c *foreignClient, content []byte, etag string) {
	t.Helper()
	var got struct {
		Status  int
		Headers map[string]string
		Size    int
		SHA256  string
	}
	c.ok(t, "GetFile", f.entity, f.name).into(t, &got)
	sum := sha256.Sum256(content)
	if got.Status != 200 || got.Size != len(content) || got.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the client reads other bytes back than it has sent: %+v", got)
	}
	if got.Headers["etag"] != etag {
		t.Errorf("the file has the etag %q, not %q", got.Headers["etag"], etag)
	}
	c.take(t)
}

// nothingOpen looks behind: object storage knows no upload of the file, and the cluster no record
// that is not finished.
func (f *foreignFile) nothingOpen(t *testing.T) {
	t.Helper()
	decoded := upload.File{Namespace: f.namespace, EntityID: f.entity, Path: f.name}
	key, err := upload.KeyOf(decoded, &v1alpha1.FileStore{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := f.s3.ListMultipartUploads(t.Context(), bucket, key, "", "", "", 1000)
	if err != nil || len(found.Uploads) > 0 {
		t.Errorf("object storage holds %d uploads of the file (%v)", len(found.Uploads), err)
	}
	f.mustAt(t, 404, http.MethodGet, f.url("fileslist", ""), nil)
}

// TestForeignClient runs a client that was written for the real service, as it is. The wiretap
// tells what it says, byte for byte, and the OpenAPI document what it may be answered.
func TestForeignClient(t *testing.T) {
	installed := installForeign(t)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		c := startForeign(t, installed, tn)
		t.Run("small", func(t *testing.T) { foreignSmall(t, tn, c) })
		t.Run("chunks of a file", func(t *testing.T) { foreignChunks(t, tn, c, 32*mib+77, 5, false) })
		t.Run("chunks of a buffer", func(t *testing.T) { foreignChunks(t, tn, c, 32*mib+77, 5, true) })
		t.Run("whole chunks", func(t *testing.T) { foreignChunks(t, tn, c, 16*mib, 2, false) })
		t.Run("refused", func(t *testing.T) { foreignRefused(t, tn, c) })
		t.Run("cut", func(t *testing.T) { foreignCut(t, tn, c) })
		t.Run("raw", func(t *testing.T) { foreignRaw(t, tn, c) })
		t.Run("parts and abort", func(t *testing.T) { foreignAbort(t, tn, c) })
		t.Run("search", func(t *testing.T) { foreignSearch(t, tn, c) })
	})
}

// foreignSmall is an upload that fits into one chunk: one request, without a query. Then updates,
// and the end.
func foreignSmall(t *testing.T, tn *tenant, c *foreignClient) {
	f := tn.newForeignFile("notes/small.txt", "notes/small.txt")
	content := random(1000)
	checkHash(t, c.ok(t, "UploadFile", f.entity, f.name, onDisk(t, content), options{
		"chunk": true, "description": "a small file", "type": "text/x-notes", "timestamp": options{"$date": "2026-01-02T03:04:05.678Z"},
	}), content)
	sent := c.said(t, f.put("", 201))[0]
	for header, want := range map[string]string{
		"Authorization": "Bearer " + tn.token, "Content-Type": "application/octet-stream", "Type": "text/x-notes",
		"Description": "a small file", "Timestamp": "2026-01-02T03:04:05.678Z", "Content-Length": "1000",
	} {
		if got := sent.request.Header.Get(header); got != want {
			t.Errorf("the client sends %s: %q, not %q", header, got, want)
		}
	}
	if sent.answer.Get("ETag") != "0" || sent.answer.Get("Location") != f.address {
		t.Errorf("the answer's headers are %v", sent.answer)
	}
	f.holds(t, c, content, "0")
	head := f.must(t, 200, http.MethodHead, "", nil)
	for header, want := range map[string]string{
		"Content-Type": "text/x-notes", "description": "a small file", "timestamp": "2026-01-02T03:04:05.678Z",
	} {
		if got := head.header.Get(header); got != want {
			t.Errorf("HEAD: %s is %q, not %q", header, got, want)
		}
	}
	content = random(2000)
	checkHash(t, c.ok(t, "UploadFile", f.entity, f.name, asBuffer(onDisk(t, content)), options{"ifMatch": 0}), content)
	c.said(t, f.put("", 204))
	f.holds(t, c, content, "1")

	c.ok(t, "DeleteFile", f.entity, f.name)
	c.said(t, "DELETE "+f.address+" 204")
	c.fails(t, []string{"Not Found", "does not exist"}, "GetFile", f.entity, f.name)
	c.fails(t, []string{"Not Found", "does not exist"}, "DeleteFile", f.entity, f.name)
	c.said(t, "GET "+f.address+" 404", "DELETE "+f.address+" 404")
}

// foreignChunks is an upload of several chunks, three at a time, and its update. The last chunk
// completes it.
func foreignChunks(t *testing.T, tn *tenant, c *foreignClient, size, chunks int, buffered bool) {
	f := tn.newForeignFile("logs/engine ü.bin", "logs/engine%20%C3%BC.bin")
	source := func(content []byte) any {
		path := onDisk(t, content)
		if buffered {
			return asBuffer(path)
		}
		return path
	}
	content := random(size)
	checkHash(t, c.ok(t, "UploadFile", f.entity, f.name, source(content), options{
		"chunk": true, "chunkSize": 8 * mib, "parallelUploads": 3, "type": "application/x-engine", "description": "in chunks",
		"timestamp": options{"$date": "2026-01-02T03:04:05.678Z"},
	}), content)
	c.said(t, f.multipart(chunks, 201)...)
	f.holds(t, c, content, "0")
	head := f.must(t, 200, http.MethodHead, "", nil)
	for header, want := range map[string]string{
		"Content-Type": "application/x-engine", "description": "in chunks", "timestamp": "2026-01-02T03:04:05.678Z",
	} {
		if got := head.header.Get(header); got != want {
			t.Errorf("HEAD: %s is %q, not %q", header, got, want)
		}
	}
	f.nothingOpen(t)
	content = random(size)
	checkHash(t, c.ok(t, "UploadFile", f.entity, f.name, source(content), options{"chunk": true, "chunkSize": 8 * mib, "ifMatch": 0}), content)
	c.said(t, f.multipart(chunks, 204)...)
	f.holds(t, c, content, "1")
	f.nothingOpen(t)
}

// foreignRefused are uploads that the contract refuses. The client sends an abort after each, which
// finds nothing; the file stays as it is.
func foreignRefused(t *testing.T, tn *tenant, c *foreignClient) {
	f := tn.newForeignFile("kept.bin", "kept.bin")
	first := random(100)
	c.ok(t, "UploadFile", f.entity, f.name, onDisk(t, first))
	c.take(t)
	small, large := onDisk(t, random(200)), onDisk(t, random(20*mib))
	for _, tt := range []struct {
		name, path, query, text string
		options                 options
	}{
		{"small without ifMatch", small, "", "If-Match: 0", options{}},
		{"small with a stale ifMatch", small, "", "ETag 0", options{"ifMatch": 7}},
		{"large without ifMatch", large, "?upload=start", "If-Match: 0", options{"chunk": true}},
		{"large with a stale ifMatch", large, "?upload=start", "ETag 0", options{"chunk": true, "ifMatch": 7}},
	} {
		c.fails(t, []string{"Conflict", tt.text}, "UploadFile", f.entity, f.name, tt.path, tt.options)
		c.said(t, f.put(tt.query, 409), f.put("?upload=abort", 404))
		f.holds(t, c, first, "0")
		f.nothingOpen(t)
		if t.Failed() {
			t.Fatal(tt.name)
		}
	}
}

// foreignCut cuts the connection of a part in the middle. Without retries the client gives up and
// aborts, while other parts may still be under way; with retries it sends the part again.
func foreignCut(t *testing.T, tn *tenant, c *foreignClient) {
	content := random(32*mib + 77)
	path := onDisk(t, content)
	f := tn.newForeignFile("given-up.bin", "given-up.bin")
	c.cutOnce("part=2")
	c.fails(t, []string{"automatically aborted"}, "UploadFile", f.entity, f.name, path, options{"chunk": true})
	aborted := false
	for _, e := range c.take(t) {
		aborted = aborted || e.String() == f.put("?upload=abort", 204)
	}
	if !aborted {
		t.Error("the client's abort was not answered with 204")
	}
	f.must(t, 404, http.MethodGet, "", nil)
	f.waitNoRecord(t)
	f.nothingOpen(t)

	f = tn.newForeignFile("tried-again.bin", "tried-again.bin")
	c.cutOnce("part=2")
	checkHash(t, c.ok(t, "UploadFile", f.entity, f.name, path, options{"chunk": true, "retry": 3}), content)
	c.said(t, append(f.multipart(5, 201), f.put("?part=2", 0))...)
	f.holds(t, c, content, "0")
	f.nothingOpen(t)
}

// foreignRaw uses the method behind UploadFile. It makes headers of its parameters as they are: a
// date that is not in ISO 8601, which is ignored (docs/rest-api.md, "Headers"), and "ifMatch",
// which is no If-Match.
func foreignRaw(t *testing.T, tn *tenant, c *foreignClient) {
	f := tn.newForeignFile("raw.bin", "raw.bin")
	content := random(300)
	path := onDisk(t, content)
	c.ok(t, "PutFile", f.entity, f.name, path, options{
		"description": "raw", "type": "text/x-raw", "timestamp": options{"$date": "2026-01-02T03:04:05Z"},
	})
	sent := c.said(t, f.put("", 201))[0]
	if got := sent.request.Header.Get("Timestamp"); !strings.Contains(got, "Jan 02 2026") {
		t.Errorf("the client sends the timestamp %q", got)
	}
	head := f.must(t, 200, http.MethodHead, "", nil)
	if head.header.Get("timestamp") != "" || head.header.Get("description") != "raw" || head.header.Get("Content-Type") != "text/x-raw" {
		t.Errorf("HEAD: %v", head.header)
	}
	c.fails(t, []string{"Conflict"}, "PutFile", f.entity, f.name, path, options{"ifMatch": 0})
	if sent = c.said(t, f.put("", 409))[0]; sent.request.Header.Get("Ifmatch") != "0" || sent.request.Header.Get("If-Match") != "" {
		t.Errorf("the client sends %v", sent.request.Header)
	}
	var got struct {
		Status, Size int
		Headers      map[string]string
	}
	c.ok(t, "GetFile", f.entity, f.name, options{"range": "bytes=100-199"}).into(t, &got)
	if got.Status != 206 || got.Size != 100 || got.Headers["content-range"] != "bytes 100-199/300" {
		t.Errorf("a range is answered with %+v", got)
	}
	c.fails(t, []string{"Range Not Satisfiable"}, "GetFile", f.entity, f.name, options{"range": "bytes=300-"})
	c.said(t, "GET "+f.address+" 206", "GET "+f.address+" 416")
}

// foreignAbort lists and aborts an upload that another client has left open.
func foreignAbort(t *testing.T, tn *tenant, c *foreignClient) {
	f := tn.newForeignFile("left.bin", "left.bin")
	list := func(status int) string {
		return fmt.Sprintf("GET %s %d", strings.Replace(f.address, "/files/", "/fileslist/", 1), status)
	}
	f.must(t, 201, http.MethodPut, "?upload=start", nil)
	f.must(t, 201, http.MethodPut, "?part=3", random(partSize))
	u := f.mustRecord(t)
	var parts partList
	c.ok(t, "GetMultipartUploads", f.entity, f.name).into(t, &parts)
	if len(parts) != 1 || parts[0].PartNo != 3 || parts[0].ObjectKey != tn.namespace+"/"+f.entity+"/left.bin" {
		t.Errorf("the client lists %+v", parts)
	}
	c.ok(t, "AbortUpload", f.entity, f.name)
	f.waitNoParts(t, u)
	f.waitNoRecord(t)
	c.fails(t, []string{"Not Found", "no upload"}, "GetMultipartUploads", f.entity, f.name)
	c.fails(t, []string{"Not Found", "no upload"}, "AbortUpload", f.entity, f.name)
	c.said(t, list(200), f.put("?upload=abort", 204), list(404), f.put("?upload=abort", 404))
}

// foreignSearch lists the files of an entity in all ways that the client has.
func foreignSearch(t *testing.T, tn *tenant, c *foreignClient) {
	f := tn.newForeignFile("a/one.bin", "a/one.bin")
	for i, name := range []string{"a/one.bin", "a/two.bin", "a/three.txt", "root.bin"} {
		c.ok(t, "UploadFile", f.entity, name, onDisk(t, random(100*(i+1))), options{"description": "file " + strconv.Itoa(i)})
	}
	c.take(t)
	for _, tt := range []struct {
		name    string
		options options
		query   string
		want    string
	}{
		{"all", nil, "?", "a/one.bin 100, a/three.txt 300, a/two.bin 200, root.bin 400"},
		{"order", options{"order": "size desc"}, "?order=size%20desc", "root.bin 400, a/three.txt 300, a/two.bin 200, a/one.bin 100"},
		{"limit", options{"order": "name asc", "limit": 2, "count": 1}, "?limit=2&count=1&order=name%20asc", "a/one.bin 100, root.bin 400"},
		{"offset", options{"order": "name asc", "limit": 2, "offset": 2}, "?offset=2&limit=2&order=name%20asc", "a/three.txt 300, a/two.bin 200"},
		{"name", options{"filter": "name eq '*.bin'", "order": "size asc"}, "?filter=name%20eq%20%27*.bin%27&order=size%20asc", "a/one.bin 100, a/two.bin 200, root.bin 400"},
		{"path and size", options{"filter": "path eq 'a/' and size gte 200", "order": "size asc"}, "?filter=path%20eq%20%27a%2F%27%20and%20size%20gte%20200&order=size%20asc", "a/two.bin 200, a/three.txt 300"},
		{"nothing", options{"filter": "name eq 'none'"}, "?filter=name%20eq%20%27none%27", ""},
	} {
		var files []listedFile
		args := []any{f.entity}
		if tt.options != nil {
			args = append(args, tt.options)
		}
		c.ok(t, "GetFiles", args...).into(t, &files)
		var got []string
		for _, file := range files {
			got = append(got, fmt.Sprintf("%s%s %d", file.Path, file.Name, file.Size))
			if file.ETag == nil || *file.ETag != 0 || !strings.HasPrefix(file.Description, "file ") {
				t.Errorf("%s: %+v", tt.name, file)
			}
			file.checkWhole(t, tn.namespace)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: the client sees %v, not %s", tt.name, got, tt.want)
		}
		entity, _, _ := strings.Cut(f.address, "/a/one.bin")
		for _, e := range c.take(t) {
			if e.String() != "GET "+entity+tt.query+" 200" {
				t.Errorf("%s: the client says %s", tt.name, e)
			}
		}
	}
}
