package report

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// Printable is text as a terminal may have it: control characters, format characters such as those
// that turn the direction of text, and bytes that are no UTF-8 are escaped as in Go. A name can
// hold sequences that move the cursor, rename the window or hide what stands beside it.
func Printable(text string) string {
	if !strings.ContainsFunc(text, unprintable) && utf8.ValidString(text) {
		return text
	}
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case unprintable(r):
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

func unprintable(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

// Size is a number of bytes in binary units, with three digits or so.
func Size(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n)/1024, 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	digits := 0
	if value < 9.95 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %ciB", digits, value, units[unit])
}

// Duration is a time as people read it, in its two largest units.
func Duration(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// Message is what people are told of an error of the client: the server's message, the status and
// the id, without the name of the package and the path, which stand beside it.
func Message(err error) string {
	var e *iotfile.Error
	if !errors.As(err, &e) {
		return Printable(err.Error())
	}
	told := *e
	if e.Message == "" && e.Err == nil && errors.Is(err, iotfile.ErrNotFound) { // the answer to a HEAD has none
		told.Message = "there is no such file"
	}
	text := strings.TrimPrefix(told.Error(), "iotfile: "+e.Op+" "+e.Path+": ")
	if e.Op != "check" && e.Op != "read source" {
		text = e.Op + ": " + text
	}
	return Printable(text)
}
