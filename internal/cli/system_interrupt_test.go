package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// TestInterrupted interrupts a transfer in each direction, and goes on with the command that it
// prints.
func TestInterrupted(t *testing.T) { onEachStore(t, testInterrupted) }

func testInterrupted(t *testing.T, c *shellOf) {
	const part = 5 * mib
	f := c.newFile("big.bin")
	content := random(8*part + 77)
	c.write(t, "big.bin", content)
	way := testkit.FaultyTCP(t, strings.TrimPrefix(c.URL, "http://"))
	stopped := func(towards tcpfault.Direction) tcpfault.Fault { // within the fourth part
		return tcpfault.Fault{Kind: tcpfault.Block, Towards: towards, Bytes: 3*part + part/2}
	}
	way.Add("stopped", stopped(tcpfault.Upstream))
	through := func(args ...string) []string { return append(args, "--server", "http://"+way.Addr()) }

	put := through("put", "--parallel", "1", "--part-size", "5Mi", "big.bin", f.entity+"/big.bin")
	told := c.interrupt(t, func() error {
		if n := f.parts(t); n < 2 {
			return fmt.Errorf("%d parts have arrived", n)
		}
		return nil
	}, put...)
	says(t, told, "Interrupted. Nothing was aborted", c.CLI+" put --parallel 1 --part-size 5Mi big.bin "+f.entity+"/big.bin --server http://"+way.Addr()+"\n")
	if n := f.parts(t); n < 2 {
		t.Errorf("of the parts that had arrived %d are left", n)
	}
	way.Remove("stopped")
	out, _ := c.run(t, 0, append(put, "--json")...)
	events := readEvents(t, out)
	done := events[len(events)-2]
	if done.Event != "done" || *done.Reused < 2*part || *done.Moved > int64(len(content))-*done.Reused {
		t.Errorf("the second run: %s, of %d bytes %d were there, %d were sent", done.Event, len(content), *done.Reused, *done.Moved)
	}
	f.checkContent(t, content)

	way.Add("stopped", stopped(tcpfault.Downstream))
	way.Add("slow", tcpfault.Fault{Kind: tcpfault.Latency, Delay: 20 * time.Millisecond}) // the state is written once in a second
	get := through("get", "--parallel", "1", "--part-size", "5Mi", f.entity+"/big.bin", "back.bin")
	told = c.interrupt(t, func() error {
		state, err := os.ReadFile(filepath.Join(c.dir, "back.bin.iotfile-state"))
		if err == nil && strings.Count(string(state), `":"`) < 3 { // the tag, and two ranges
			err = fmt.Errorf("the state is %s", state)
		}
		return err
	}, get...)
	says(t, told, "Interrupted.", c.CLI+" get ")
	if _, err := os.Stat(filepath.Join(c.dir, "back.bin")); !os.IsNotExist(err) {
		t.Errorf("a file that is not whole has the name: %v", err)
	}
	way.Remove("stopped")
	way.Remove("slow")
	out, _ = c.run(t, 0, append(get, "--json")...)
	events = readEvents(t, out)
	done = events[len(events)-2]
	if done.Event != "done" || *done.Reused < 2*part || *done.Moved > int64(len(content))-*done.Reused {
		t.Errorf("the second run: %s, of %d bytes %d were there, %d were received", done.Event, len(content), *done.Reused, *done.Moved)
	}
	c.holds(t, "back.bin", content)
	left, err := filepath.Glob(filepath.Join(c.dir, "back.bin.*"))
	check(t, err)
	if len(left) > 0 {
		t.Errorf("beside the file there are %q", left)
	}
}

// interrupt runs a command, interrupts it as a terminal does when arrived returns nil, and returns
// what it has told.
func (c *shellOf) interrupt(t *testing.T, arrived func() error, args ...string) string {
	t.Helper()
	cmd, _, stderr := c.command(t, args...)
	check(t, cmd.Start())
	eventually(t, "something arrives", arrived)
	check(t, cmd.Process.Signal(unix.SIGINT))
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
		t.Fatalf("%q ends with %d after an interrupt:\n%s", args, got, stderr)
	}
	return stderr.String()
}
