package main

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// Sizes in pixels of the picture.
const (
	charWidth, lineHeight, margin, gap = 7.8, 18, 16, 14
	fontSize                           = 13
)

// style is how text looks: the class of its colour, and whether it is bold.
type style struct {
	class string
	bold  bool
}

// colours are the classes of the eight colours of terminals; the bright ones are the same.
var colours = [8]string{"", "r", "g", "y", "b", "m", "c", ""}

// sheet has the colours on light and on dark pages.
const sheet = `.bg{fill:#f6f8fa;stroke:#d0d7de}text{fill:#1f2328;font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre}
.p{font-weight:bold}.r{fill:#cf222e}.g{fill:#116329}.y{fill:#7d4e00}.b{fill:#0550ae}.m{fill:#8250df}.c{fill:#1b7c83}
@media(prefers-color-scheme:dark){.bg{fill:#161b22;stroke:#30363d}text{fill:#e6edf3}.r{fill:#ff7b72}.g{fill:#7ee787}.y{fill:#d29922}.b{fill:#79c0ff}.m{fill:#d2a8ff}.c{fill:#76e3ea}}`

// draw makes the picture of screens, one below the other. The commands stand in it as its
// description, for those who hear it and for the test that holds it against the program.
func draw(screens, commands []string) []byte {
	var body strings.Builder
	y := 0
	for _, screen := range screens {
		lines := strings.Split(strings.TrimRight(screen, "\n $"), "\n")
		height := len(lines)*lineHeight + 2*margin - 4
		fmt.Fprintf(&body, `<rect class="bg" x=".5" y="%d.5" width="%.0f" height="%d" rx="8"/>`+"\n", y, width()-1, height)
		for i, line := range lines {
			body.WriteString(drawLine(line, y+margin+(i+1)*lineHeight-6))
		}
		y += height + gap
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" viewBox="0 0 %.0f %d" role="img">
<title>kubectl iotfile in a terminal</title>
<desc>
%s
</desc>
<style>%s</style>
%s</svg>
`, width(), y-gap+1, width(), y-gap+1, html.EscapeString(strings.Join(commands, "\n")), sheet, body.String())
}

func width() float64 { return columns*charWidth + 2*margin }

// drawLine draws a line of a terminal: each run of one style at its column, with its length, so
// that any font fits.
func drawLine(line string, y int) string {
	var out strings.Builder
	column := 0
	var now style
	for line != "" {
		if rest, ok := strings.CutPrefix(line, "\x1b["); ok {
			codes, after, found := strings.Cut(rest, "m")
			if !found {
				break
			}
			now, line = now.changed(codes), after
			continue
		}
		run := line
		if at := strings.Index(line, "\x1b["); at >= 0 {
			run = line[:at]
		}
		line = line[len(run):]
		out.WriteString(drawRun(run, now, column, y))
		column += utf8.RuneCountInString(run)
	}
	return out.String()
}

func drawRun(run string, look style, column, y int) string {
	text := strings.TrimRight(run, " ")
	lead := len(text) - len(strings.TrimLeft(text, " "))
	if text = text[lead:]; text == "" {
		return ""
	}
	class := look.class
	if look.bold || column == 0 && strings.HasPrefix(run, "$ ") {
		class = strings.TrimSpace(class + " p")
	}
	if class != "" {
		class = ` class="` + class + `"`
	}
	return fmt.Sprintf(`<text%s x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
		class, margin+float64(column+lead)*charWidth, y, float64(utf8.RuneCountInString(text))*charWidth, html.EscapeString(text))
}

// changed is the style after a sequence of codes, as in "1;32".
func (s style) changed(codes string) style {
	for code := range strings.SplitSeq(codes, ";") {
		n := 0
		_, _ = fmt.Sscan(code, &n) // none is 0
		switch {
		case n == 0:
			s = style{}
		case n == 1:
			s.bold = true
		case n == 22:
			s.bold = false
		case n >= 30 && n <= 37:
			s.class = colours[n-30]
		case n >= 90 && n <= 97:
			s.class = colours[n-90]
		case n == 39:
			s.class = ""
		}
	}
	return s
}
