package ui

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestLastPort: a page that is started again has the address of before, with which the browser
// finds what it keeps of unfinished files; a second one beside it has another, and one whose
// memory is damaged any.
func TestLastPort(t *testing.T) {
	memory := filepath.Join(t.TempDir(), "iotfile", "page-port")
	open := func() net.Listener {
		t.Helper()
		listener, err := listen(t.Context(), 0, memory)
		if err != nil {
			t.Fatal(err)
		}
		return listener
	}
	first := open()
	second := open()
	if first.Addr().String() == second.Addr().String() {
		t.Fatal("two pages have one address")
	}
	_, _ = first.Close(), second.Close()
	again := open()
	if again.Addr().String() != first.Addr().String() {
		t.Errorf("the page was at %s and is at %s", first.Addr(), again.Addr())
	}
	_ = again.Close()
	for _, damaged := range []string{"", "no port", "70000", "0"} {
		if err := os.WriteFile(memory, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = open().Close()
	}
	if _, err := listen(t.Context(), 70000, memory); err == nil {
		t.Error("there is a port 70000")
	}
}
