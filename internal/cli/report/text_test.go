package report

import (
	"errors"
	"testing"
	"time"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"logs/engine ü 日本.bin":     "logs/engine ü 日本.bin",
		"a\x1b[2J\rb":              `a\x1b[2J\rb`,
		"\x1b]0;title\x07":         `\x1b]0;title\a`,
		"a\nb\tc":                  `a\nb\tc`,
		"exe.\u202etxt":            `exe.\u202etxt`,
		"zero\u200bwidth":          `zero\u200bwidth`,
		"c1\u009b31m":              `c1\u009b31m`,
		"no \xff utf-8":            `no \xff utf-8`,
		"a replacement \ufffd":     "a replacement \ufffd",
		"a \ufffd and \xfe":        "a \ufffd and " + `\xfe`,
		"it's":                     "it's",
		"a backslash \\ and \x00x": `a backslash \ and \x00x`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := Message(errors.New("open \x1b[2J: no")); got != `open \x1b[2J: no` {
		t.Errorf("%q", got)
	}
}

func TestSizeAndDuration(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 10 << 10: "10 KiB", 999 << 10: "999 KiB", 1000 << 10: "1.0 MiB",
		16 << 20: "16 MiB", 3 << 30: "3.0 GiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 400 * time.Millisecond: "0s", 61 * time.Second: "1m01s", 59*time.Minute + 59900*time.Millisecond: "1h00m", 3*time.Hour + 62*time.Second: "3h01m",
		49 * time.Hour: "2d1h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	var r Rate
	at := time.Unix(1000, 0)
	if r.PerSecond() != 0 {
		t.Error("there is a rate of nothing")
	}
	// A minute of 100 bytes a second, told of ten times a second, then a stop.
	for i := range 600 {
		r.Add(at.Add(time.Duration(i)*100*time.Millisecond), int64(i)*10)
	}
	if got := r.PerSecond(); got < 99 || got > 101 {
		t.Errorf("%v bytes a second", got)
	}
	for i := 600; i < 800; i++ {
		r.Add(at.Add(time.Duration(i)*100*time.Millisecond), 5990)
	}
	if got := r.PerSecond(); got > 1 {
		t.Errorf("%v bytes a second after 20 seconds of none", got)
	}
	r.Add(at, 7000) // a clock that is set back
	if got := r.PerSecond(); got < 0 {
		t.Errorf("%v bytes a second", got)
	}
	for _, tt := range []struct {
		left int64
		rate float64
		want string
	}{{1000, 0, ""}, {0, 2048, "2.0 KiB/s"}, {-1, 2048, "2.0 KiB/s"}, {2048 * 90, 2048, "2.0 KiB/s, 1m30s left"}, {1 << 62, 1, "1 B/s"}} {
		if got := Pace(tt.left, tt.rate); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}
