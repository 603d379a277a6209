package main

import (
	"slices"
	"testing"
)

// TestUnnoted: a break needs a note of its own, and one of an earlier break is none.
func TestUnnoted(t *testing.T) {
	changes := []string{"(*Client).Stat: changed from func() to func(int)", "File.Tag: removed", "Options: old is comparable, new is not"}
	before := "`iotfile.File.Tag` is a word of its own."
	for name, tt := range map[string]struct {
		now  string
		want []string
	}{
		"no note":         {before, changes},
		"each has one":    {before + "`iotfile.Client.Stat` wants a number; `iotfile.File.Tag` is gone, `iotfile.Options` has a function.", nil},
		"one is from old": {before + "`iotfile.Client.Stat`, `iotfile.Options`", changes[1:2]},
		"without a tick":  {before + "iotfile.Client.Stat `iotfile.File.Tag` `iotfile.OptionsX` `iotfile.Options`", changes[:1]},
	} {
		if got := unnoted(changes, before, tt.now); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
