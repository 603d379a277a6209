package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
)

// TestFiles: a file in one request, its update, its ranges, its place in a search, and its end.
func TestFiles(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("logs/small.bin")
		one, two := random(3*mib+7), random(1000)
		a := f.must(t, 201, http.MethodPut, "", one, "Content-Type", "text/x-one", "description", "a small one", "timestamp", "2026-01-02T03:04:05Z")
		if etag := a.header["Etag"]; len(etag) != 1 || etag[0] != "0" || !strings.HasSuffix(a.header.Get("Location"), "/files/"+f.entity+"/logs/small.bin") {
			t.Errorf("created: ETag %q, Location %q", etag, a.header.Get("Location"))
		}
		if got := f.must(t, 200, http.MethodGet, "", nil); !bytes.Equal(got.body, one) || got.header.Get("Content-Type") != "text/x-one" {
			t.Errorf("read back %d bytes of %d, %v", len(got.body), len(one), got.header)
		}
		f.must(t, 409, http.MethodPut, "", two)
		f.must(t, 409, http.MethodPut, "", two, "If-Match", "7")
		f.must(t, 400, http.MethodPut, "", []byte{})
		f.must(t, 204, http.MethodPut, "", two, "If-Match", "0", "Idempotency-Key", "once")
		if a := f.must(t, 204, http.MethodPut, "", two, "If-Match", "0", "Idempotency-Key", "once"); a.header.Get("ETag") != "1" {
			t.Errorf("sent again: ETag %q", a.header.Get("ETag"))
		}
		f.checkReads(t, two)
		f.checkSearch(t)
		f.must(t, 204, http.MethodDelete, "", nil)
		f.must(t, 404, http.MethodDelete, "", nil)
		f.must(t, 404, http.MethodGet, "", nil)
		if _, err := f.s3.StatObject(t.Context(), bucket, f.key(), minio.StatObjectOptions{}); minio.ToErrorResponse(err).Code != "NoSuchKey" {
			t.Errorf("the object in the bucket: %v", err)
		}
	})
}

// key is where the file is stored.
func (f *file) key() string { return f.namespace + "/" + f.entity + "/" + f.path }

func (f *file) checkReads(t *testing.T, content []byte) {
	t.Helper()
	if a := f.must(t, 206, http.MethodGet, "", nil, "Range", "bytes=-10", "If-Range", "1"); !bytes.Equal(a.body, content[len(content)-10:]) {
		t.Errorf("the last bytes: %q", a.header.Get("Content-Range"))
	}
	f.must(t, 304, http.MethodGet, "", nil, "If-None-Match", `"1"`)
	f.must(t, 416, http.MethodGet, "", nil, "Range", "bytes=1000-")
}

// hit is a file that a search has found.
type hit struct {
	Name, Path, Type, Description, CreatedBy string
	Size                                     int64
	ETag                                     int64
}

func (f *file) search(t *testing.T, query string) ([]hit, string) {
	t.Helper()
	address := strings.TrimSuffix(f.url("files", ""), "/"+f.path) + query
	a := f.mustAt(t, 200, http.MethodGet, address, nil)
	var hits []hit
	if err := json.Unmarshal(a.body, &hits); err != nil {
		t.Fatal(err)
	}
	return hits, a.header.Get("X-Total-Count")
}

func (f *file) checkSearch(t *testing.T) {
	t.Helper()
	if _, err := f.s3.PutObject(t.Context(), bucket, f.namespace+"/"+f.entity+"/foreign.txt", strings.NewReader("of others"), 9, "", "", minio.PutObjectOptions{ContentType: "text/plain"}); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		other := &file{f.tenant, f.entity, fmt.Sprintf("many/%02d.txt", i)}
		other.must(t, 201, http.MethodPut, "", random(i+1))
	}
	hits, total := f.search(t, "?count=true")
	if len(hits) != 22 || total != "22" {
		t.Errorf("%d files of %s", len(hits), total)
	}
	hits, _ = f.search(t, "?filter="+url.QueryEscape("name eq 'small*' and size eq 1000"))
	if want := (hit{"small.bin", "logs/", "application/octet-stream", "", hits[0].CreatedBy, 1000, 1}); len(hits) != 1 || hits[0] != want || hits[0].CreatedBy == "" {
		t.Errorf("found %+v, want %+v", hits, want)
	}
	hits, total = f.search(t, "?limit=3&offset=1&order=size+desc&filter="+url.QueryEscape("path eq 'many'"))
	if len(hits) != 3 || total != "20" || hits[0].Size != 19 || hits[2].Size != 17 {
		t.Errorf("page %+v of %s", hits, total)
	}
	hits, _ = f.search(t, "?filter="+url.QueryEscape("type eq 'text/plain' and etag eq 0"))
	if len(hits) != 1 || hits[0].Name != "foreign.txt" || hits[0].Path != "" {
		t.Errorf("the file of others: %+v", hits)
	}
	foreign := &file{f.tenant, f.entity, "foreign.txt"}
	foreign.must(t, 204, http.MethodPut, "", []byte("taken over"), "If-Match", "0")
	if a := foreign.must(t, 200, http.MethodGet, "", nil); a.header.Get("ETag") != "1" {
		t.Errorf("after the update of a file of others: ETag %q", a.header.Get("ETag"))
	}
}

// racers is how many clients race for each version of a file.
const racers = 4

// races is how many races are run per store: IOTFILE_RACES, or a few.
func races(t *testing.T) int {
	t.Helper()
	s := os.Getenv("IOTFILE_RACES")
	if s == "" {
		return 20
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("IOTFILE_RACES is %q", s)
	}
	return n
}

// tally counts what races came to.
type tally struct{ races, winners, losers, mixed int }

// TestRaces: of clients that replace one version of a file at the same moment, in one request or in parts, exactly one wins; the others get 409, and the content is the
// winner's, whole.
func TestRaces(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		f := tn.newFile("raced.bin")
		count := tally{}
		version := -1
		for range races(t) {
			f.race(t, &count, version)
			version++
			if t.Failed() {
				break
			}
		}
		t.Logf("%d races of %d clients: %d winners, %d losers, %d mixed contents", count.races, racers, count.winners, count.losers, count.mixed)
	})
}

// race lets clients replace the version, which is -1 for none yet.
func (f *file) race(t *testing.T, count *tally, version int) {
	t.Helper()
	header, success := []string{"If-Match", strconv.Itoa(version)}, 204
	if version < 0 {
		header, success = nil, 201
	}
	contents, answers := make([][]byte, racers), make([]*answer, racers)
	var group sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for i := range racers {
		contents[i] = bytes.Repeat(fmt.Appendf(nil, "%08d-%d ", version, i), 2000+i)
		group.Go(func() {
			a, err := f.do(t.Context(), http.MethodPut, f.url("files", ""), contents[i], header...)
			mu.Lock()
			defer mu.Unlock()
			answers[i], errs = a, append(errs, err)
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	winner := -1
	for i, a := range answers {
		switch {
		case a.status == 409:
			count.losers++
		case a.status == success && winner < 0:
			winner = i
			count.winners++
		default:
			t.Errorf("version %d: client %d got %d after the winner was %d: %s", version+1, i, a.status, winner, a.body)
		}
	}
	count.races++
	if winner < 0 {
		t.Fatalf("version %d: nobody has won", version+1)
	}
	got := f.must(t, 200, http.MethodGet, "", nil)
	if !bytes.Equal(got.body, contents[winner]) || got.header.Get("ETag") != strconv.Itoa(version+1) {
		count.mixed++
		t.Errorf("version %d: the file is not the winner's: ETag %s, %d bytes", version+1, got.header.Get("ETag"), len(got.body))
	}
}

// TestUploadRacesPut: an upload in parts and a file in one request replace the same version; one of them wins.
func TestUploadRacesPut(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		count := tally{}
		for i := range max(races(t)/20, 3) {
			f := tn.newFile(fmt.Sprintf("raced-%d.bin", i))
			f.must(t, 201, http.MethodPut, "", []byte("first"))
			f.must(t, 204, http.MethodPut, "?upload=start", nil, "If-Match", "0")
			var inParts, inOne *answer
			var group sync.WaitGroup
			var err1, err2 error
			group.Go(func() {
				inParts, err1 = f.do(t.Context(), http.MethodPut, f.url("files", "?upload=complete"), []byte("in parts"), "If-Match", "0")
			})
			group.Go(func() {
				inOne, err2 = f.do(t.Context(), http.MethodPut, f.url("files", ""), []byte("in one"), "If-Match", "0")
			})
			group.Wait()
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			count.races++
			want := "in parts"
			if inOne.status == 204 {
				want = "in one"
			}
			if (inParts.status == 204) == (inOne.status == 204) || inParts.status+inOne.status != 204+409 {
				t.Errorf("both at once: in parts %d %s, in one %d %s", inParts.status, inParts.body, inOne.status, inOne.body)
			}
			if got := f.must(t, 200, http.MethodGet, "", nil); string(got.body) != want || got.header.Get("ETag") != "1" {
				count.mixed++
				t.Errorf("the file is %q, ETag %s, want %q", got.body, got.header.Get("ETag"), want)
			}
		}
		t.Logf("%d races, %d mixed contents", count.races, count.mixed)
	})
}
