package reconciler_test

import (
	"slices"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/controllers/reconciler"
)

func TestAbortTime(t *testing.T) {
	var got []time.Duration
	for times := range 8 {
		got = append(got, reconciler.AbortTime(times)/time.Second)
	}
	if want := []time.Duration{10, 20, 40, 80, 160, 300, 300, 300}; !slices.Equal(got, want) {
		t.Errorf("the times are %v s, want %v", got, want)
	}
}
