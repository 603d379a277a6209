package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestAbortRaces has aborts meet parts in flight, completions, and other aborts.
func TestAbortRaces(t *testing.T) {
	useQuickSweep(t, nil)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		t.Run("part", func(t *testing.T) { abortRacesPart(t, tn) })
		for round := range 5 {
			t.Run(fmt.Sprintf("complete/%d", round), func(t *testing.T) { abortRacesComplete(t, tn, round) })
		}
		t.Run("abort", func(t *testing.T) { abortRacesItself(t, tn) })
	})
}

// A part that is on its way when the upload is aborted leaves nothing, whenever object storage
// takes it, and is no part of the next upload.
func abortRacesPart(t *testing.T, tn *tenant) {
	f := tn.newFile("late.bin")
	f.must(t, 201, put, "?upload=start", nil)
	u := f.mustRecord(t)
	late := random(smallest)
	read, write := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), put, f.url("files", "?part=1"), read)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = smallest
	req.Header.Set("Authorization", "Bearer "+f.token)
	answered := make(chan int, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	if _, err := write.Write(late[:smallest/2]); err != nil {
		t.Fatal(err)
	}
	f.must(t, 204, put, "?upload=abort", nil)
	go func() {
		_, _ = write.Write(late[smallest/2:])
		_ = write.Close()
	}()
	if status := <-answered; status != 409 {
		t.Errorf("the part was answered with %d", status)
	}
	f.must(t, 201, put, "?upload=start", nil)
	if list := f.parts(t, "fileslist"); len(list) != 0 {
		t.Errorf("the next upload begins with %v", list)
	}
	now := f.mustRecord(t)
	eventually(t, "the aborted upload goes", func() error {
		uploads, err := tn.s3.ListMultipartUploads(t.Context(), bucket, u.Status.ObjectKey, "", "", "", 1000)
		if err != nil {
			return err
		}
		if len(uploads.Uploads) != 1 || uploads.Uploads[0].UploadID != now.Status.UploadID {
			return fmt.Errorf("open are %+v", uploads.Uploads)
		}
		return nil
	})
	f.must(t, 201, put, "?upload=complete", []byte("x"))
	f.checkWhole(t, []byte("x"))
}

// checkWhole downloads the file and compares.
func (f *file) checkWhole(t *testing.T, content []byte) {
	t.Helper()
	if a := f.must(t, 200, http.MethodGet, "", nil); string(a.body) != string(content) {
		t.Errorf("the file has %d other bytes than the %d that were sent", len(a.body), len(content))
	}
}

// Of a completion and an abort at the same time one wins, and what its client was told is true.
func abortRacesComplete(t *testing.T, tn *tenant, round int) {
	f := tn.newFile("raced.bin")
	content := random(smallest)
	f.must(t, 201, put, "?upload=start", nil)
	f.must(t, 201, put, "?part=1", content)
	u := f.mustRecord(t)
	var completed, aborted int
	var both sync.WaitGroup
	send := func(status *int, query string, delay time.Duration) {
		both.Go(func() {
			time.Sleep(delay)
			a, err := f.do(t.Context(), put, f.url("files", query), nil)
			if err != nil {
				t.Error(err)
				return
			}
			*status = a.status
		})
	}
	send(&completed, "?upload=complete", 0)
	send(&aborted, "?upload=abort", time.Duration(round)*5*time.Millisecond)
	both.Wait()
	t.Logf("complete %d, abort %d", completed, aborted)
	switch {
	case completed == 201 && (aborted == 404 || aborted == 409):
		f.checkWhole(t, content)
	case aborted == 204 && (completed == 409 || completed == 404):
		f.must(t, 404, http.MethodGet, "", nil)
		f.waitNoRecord(t)
	default:
		t.Errorf("complete was answered with %d and abort with %d", completed, aborted)
	}
	f.waitNoParts(t, u)
}

// Aborts at the same time all end, and at least one did it.
func abortRacesItself(t *testing.T, tn *tenant) {
	f := tn.newFile("aborted.bin")
	f.must(t, 201, put, "?upload=start", nil)
	f.must(t, 201, put, "?part=1", random(smallest))
	u := f.mustRecord(t)
	statuses := make([]int, 4)
	var all sync.WaitGroup
	for i := range statuses {
		all.Go(func() {
			a, err := f.do(t.Context(), put, f.url("files", "?upload=abort"), nil)
			if err != nil {
				t.Error(err)
				return
			}
			statuses[i] = a.status
		})
	}
	all.Wait()
	if !slices.Contains(statuses, 204) || slices.ContainsFunc(statuses, func(s int) bool { return s != 204 && s != 404 }) {
		t.Errorf("the answers are %v", statuses)
	}
	f.waitNoRecord(t)
	f.waitNoParts(t, u)
}
