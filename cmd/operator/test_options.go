//go:build failpoints

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
)

// readTestOptions sets what only tests of the built binary turn, from the file that the environment
// names: a JSON object of durations.
func readTestOptions(o *options) error {
	path := os.Getenv(failpoint.OptionsVariable)
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("test options: %w", err)
	}
	var values map[string]string
	if err := json.Unmarshal(data, &values); err != nil {
		return fmt.Errorf("test options: %w", err)
	}
	known := map[string]*time.Duration{
		"finalizerTimeout": &o.timing.finalizerTimeout, "probeInterval": &o.timing.probeInterval,
		"orphanGrace": &o.timing.orphanGrace,
	}
	for name, value := range values {
		d, err := time.ParseDuration(value)
		if known[name] == nil || err != nil {
			return fmt.Errorf("test option %s=%q is not one, or no duration", name, value)
		}
		*known[name] = d
	}
	return nil
}
