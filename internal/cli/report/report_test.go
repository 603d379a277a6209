package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// story has three files sent: one with a retry, one that was there already, one that fails.
func story(r *Reporter, now *time.Time) Totals {
	r.now = func() time.Time { return *now }
	a := r.Start("a.bin", "a.bin", "E/a.bin", 3<<20)
	for i := range 4 {
		a.Progress(iotfile.Progress{Total: 3 << 20, Done: int64(max(0, i-1)) << 20, Reused: 0, Moved: int64(i) << 20})
		*now = now.Add(6 * time.Second)
	}
	r.Attempt(iotfile.Attempt{Path: "E/a.bin"}) // a success
	for range 2 {
		r.Attempt(iotfile.Attempt{Path: "E/a.bin", Err: errors.New("the connection broke"), Wait: 2 * time.Second})
	}
	a.Done(&iotfile.File{Size: 3 << 20, Version: 4, Checksum: "crc64nvme:x"}, "")
	r.Start("b\x1b.bin", "b\x1b.bin", "E/b\x1b.bin", 10).Done(&iotfile.File{Size: 10}, "there already")
	r.Start("c.bin", "c.bin", "E/c.bin", -1).Failed(errors.New("no such file"))
	r.Refused("../d", errors.New("leads out"))
	return r.Finish()
}

func TestLines(t *testing.T) {
	var out, data bytes.Buffer
	r := New(Options{Out: &data, Err: &out, Verb: "sent", Files: 4, Bytes: 3<<20 + 10})
	now := time.Now()
	totals := story(r, &now)
	if totals.Done != 2 || totals.Failed != 2 || totals.Arrived != 3<<20+10 || totals.Moved != 3<<20 {
		t.Errorf("%+v", totals)
	}
	want := `0 of 4 files, 1.0 MiB of 3.0 MiB (33%), 171 KiB/s, 12s left
E/a.bin: the connection broke; again in 2s
sent a.bin -> E/a.bin, 3.0 MiB in 24s, 128 KiB/s
sent b\x1b.bin -> E/b\x1b.bin, 10 B, there already
failed: c.bin: no such file
failed: ../d: leads out
sent 2 of 4 files, 3.0 MiB
2 failed:
  c.bin: no such file
  ../d: leads out
`
	if out.String() != want || data.Len() > 0 {
		t.Errorf("got:\n%s\nwant:\n%s\nand %q", out.String(), want, data.String())
	}
}

func TestEvents(t *testing.T) {
	var out, people bytes.Buffer
	r := New(Options{JSON: true, Out: &out, Err: &people, Files: 4, Bytes: 3<<20 + 10})
	now := time.Now()
	story(r, &now)
	var names []string
	var last Event
	for line := range strings.Lines(out.String()) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		last = Event{}
		if err := decoder.Decode(&last); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		names = append(names, last.Event)
		if last.Event == "done" && last.Source == "a.bin" && (*last.Size != 3<<20 || *last.Version != 4 || last.Checksum != "crc64nvme:x" || *last.Moved != 3<<20) {
			t.Errorf("%s", line)
		}
	}
	if got := strings.Join(names, ","); got != "start,progress,progress,progress,progress,retry,retry,done,start,done,start,failed,failed,summary" {
		t.Errorf("%s", got)
	}
	if *last.Files != 4 || *last.Done != 3<<20+10 || len(last.FailedFiles) != 2 || last.FailedFiles[1] != (EventFailed{"../d", "leads out"}) {
		t.Errorf("%+v", last)
	}
	if people.Len() > 0 {
		t.Errorf("people are told %q", people.String())
	}
}

// TestBars draws on something that is no terminal, which shows that nothing blocks or is lost.
func TestBars(t *testing.T) {
	var out bytes.Buffer
	r := &Reporter{now: time.Now, total: Totals{Files: 4, Bytes: 3<<20 + 10}}
	r.way = newBars(&out, "sent", r)
	now := time.Now()
	story(r, &now)
	for _, want := range []string{"sent a.bin -> E/a.bin, 3.0 MiB", `sent b\x1b.bin`, "failed: c.bin: no such file", "2 failed:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%q", want, out.String())
		}
	}
	if strings.Contains(out.String(), "b\x1b.bin") {
		t.Errorf("a control character is written: %q", out.String())
	}
}
