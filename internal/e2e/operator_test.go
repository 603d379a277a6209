package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// useOperator replaces the system's operator by one that is started with other options, until the
// test ends.
func useOperator(t *testing.T, change func(*devcluster.OperatorOptions)) {
	t.Helper()
	before := system.options
	become := func(options devcluster.OperatorOptions) {
		if err := system.operator.Stop(); err != nil {
			t.Error(err)
		}
		httpClient.CloseIdleConnections()
		operator, err := devcluster.StartOperator(context.WithoutCancel(t.Context()), options)
		if err != nil {
			t.Fatal(err)
		}
		system.operator, system.options = operator, options
	}
	options := before
	options.Name = "other"
	change(&options)
	become(options)
	t.Cleanup(func() {
		if t.Failed() {
			showLog(system.operator.LogPath)
		}
		become(before)
	})
}

// useTestOptions does the same with a build that reads test options, and with more changes unless
// change is nil.
func useTestOptions(t *testing.T, values map[string]string, change func(*devcluster.OperatorOptions)) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "operator")
	if err := devcluster.BuildOperator(t.Context(), os.Stderr, binary, "-tags", "failpoints"); err != nil {
		t.Fatal(err)
	}
	useOperator(t, func(o *devcluster.OperatorOptions) {
		o.Binary, o.TestOptions = binary, values
		if change != nil {
			change(o)
		}
	})
}

// useQuickSweep does the same with an operator that searches for orphans every two seconds, and
// takes an upload of five seconds for one: what a crash has left goes within a test.
func useQuickSweep(t *testing.T, change func(*devcluster.OperatorOptions)) {
	t.Helper()
	useTestOptions(t, map[string]string{"orphanGrace": "5s"}, func(o *devcluster.OperatorOptions) {
		o.Args = append(slices.Clone(o.Args), "--sweep-interval=2s")
		if change != nil {
			change(o)
		}
	})
}
