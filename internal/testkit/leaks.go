package testkit

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"go.uber.org/goleak"
)

// CheckLeaks fails a run of tests that leaves goroutines behind. TestMain calls it with the exit
// status of the run, once what the tests share is stopped, and exits with what it returns.
// Goroutines that end later than that have a minute to do so.
func CheckLeaks(code int, besides ...goleak.Option) int {
	if code != 0 {
		return code // a test that failed may have stopped half-way
	}
	http.DefaultClient.CloseIdleConnections()
	// It starts the servers of tests, and is there as long as the process.
	besides = append(besides, goleak.IgnoreTopFunction("github.com/iotfile-operator/iotfile-operator/internal/devcluster.runSpawner"))
	var err error
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); {
		if err = goleak.Find(besides...); err == nil {
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "goroutines are left behind:", err)
	return 1
}
