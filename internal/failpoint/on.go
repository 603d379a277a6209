//go:build failpoints && !seededrace

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// reached counts how often the armed point was reached since it was armed.
var reached struct {
	sync.Mutex
	armed string
	times int
}

// Hit ends the process, as a crash does, if the file that Variable names has this point armed. The
// point is disarmed before, so that the next process passes it. It is safe for concurrent use, and
// panics at a file that names no point.
func Hit(name Name) {
	path := os.Getenv(Variable)
	if path == "" {
		return
	}
	reached.Lock()
	defer reached.Unlock()
	data, err := os.ReadFile(path)
	if err != nil {
		return // nothing is armed
	}
	point, at := parse(string(data))
	if string(data) != reached.armed {
		reached.armed, reached.times = string(data), 0
	}
	if point != name {
		return
	}
	if reached.times++; reached.times < at {
		return
	}
	if err := os.Remove(path); err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stderr, "failpoint:", name)
	os.Exit(ExitStatus) // runs no deferred function
}

// parse reads what is armed: a point, and the nth time that it is reached.
func parse(armed string) (Name, int) {
	name, times, counted := strings.Cut(armed, "=")
	at := 1
	if counted {
		var err error
		if at, err = strconv.Atoi(times); err != nil || at < 1 {
			panic(fmt.Sprintf("failpoint %q: give a number of at least 1 behind the =", armed))
		}
	}
	if !slices.Contains(All(), Name(name)) {
		panic(fmt.Sprintf("failpoint %q: there is no such point; there are %v", armed, All()))
	}
	return Name(name), at
}
