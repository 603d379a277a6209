package s3_test

import (
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore/storetest"
)

// TestRaces: of writers that race under a condition, exactly one wins, on every real server.
func TestRaces(t *testing.T) {
	for _, kind := range conformanceKinds() {
		t.Run(string(kind), func(t *testing.T) { storetest.RunRaces(t, realBackend(kind)) })
	}
}

// TestLooks: what is read of an object while it is replaced is of one version.
func TestLooks(t *testing.T) {
	for _, kind := range conformanceKinds() {
		t.Run(string(kind), func(t *testing.T) { storetest.RunLooks(t, realBackend(kind)) })
	}
}
