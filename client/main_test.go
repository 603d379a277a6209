package iotfile_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain leaves the examples out unless IOTFILE_URL and IOTFILE_TOKEN_FILE name a server for
// them.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("IOTFILE_URL") == "" {
		_ = flag.Set("test.skip", "^Example")
	}
	goleak.VerifyTestMain(m)
}
