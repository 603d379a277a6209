package main

import (
	"encoding/xml"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/cli"
)

// maxBytes is what the picture of a page may weigh.
const maxBytes = 60_000

// TestPictureIsFresh holds the picture that is checked in against the session, and the session
// against the command line: `make recording` draws it again.
func TestPictureIsFresh(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "images", "put.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > maxBytes {
		t.Errorf("the picture has %d bytes, more than %d", len(data), maxBytes)
	}
	var picture struct {
		Desc string   `xml:"desc"`
		Text []string `xml:"text"`
	}
	if err := xml.Unmarshal(data, &picture); err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSpace(picture.Desc), "\n"); !slices.Equal(got, commands()) {
		t.Errorf("the picture shows %q, the session is %q: make recording", got, commands())
	}
	for _, want := range append(commands(), "Interrupted.", "all 3 files") {
		if !slices.ContainsFunc(picture.Text, func(text string) bool { return strings.Contains(text, want) }) {
			t.Errorf("the picture does not show %q", want)
		}
	}
	for _, typed := range commands() {
		args := strings.Fields(strings.TrimPrefix(typed, "kubectl iotfile "))
		cmd, rest, err := cli.Command().Find(args)
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("%s: %v", typed, err)
		}
	}
}

func TestDraw(t *testing.T) {
	picture := string(draw([]string{"$ a <b>\n\x1b[1;32m  ok\x1b[0m  then\n$ \n\n"}, []string{"a <b>"}))
	for _, want := range []string{
		`<text class="p" x="16.0" y="28" textLength="54.6" lengthAdjust="spacingAndGlyphs">$ a &lt;b&gt;</text>`,
		`<text class="g p" x="31.6" y="46" textLength="15.6"`, `<text x="62.8" y="46" textLength="31.2" lengthAdjust="spacingAndGlyphs">then</text>`, "<desc>\na &lt;b&gt;\n</desc>",
	} {
		if !strings.Contains(picture, want) {
			t.Errorf("there is no %s in\n%s", want, html.UnescapeString(picture))
		}
	}
	if n := strings.Count(picture, "<text"); n != 3 {
		t.Errorf("%d texts are drawn", n)
	}
}

func TestPercent(t *testing.T) {
	for screen, want := range map[string]int{"": 0, "engine.bin [==>--] 90 %": 0, "all 3 files [=>-----] 31 % 100 MiB": 31} {
		if got := percent(screen); got != want {
			t.Errorf("%q: %d", screen, got)
		}
	}
}
