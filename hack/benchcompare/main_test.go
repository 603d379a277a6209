package main

import (
	"strings"
	"testing"
)

// table is what benchstat prints of two sides that have one benchmark each alone.
const table = `goos: linux
pkg: example.com/p
,base,,head,,,
,sec/op,CI,sec/op,CI,vs base,P
Same-2,1e-06,1%,1.02e-06,1%,~,p=0.3 n=8
Slower-2,1e-06,1%,1.25e-06,1%,+25.00%,p=0.000 n=8
Little-2,1e-06,1%,1.05e-06,1%,+5.00%,p=0.000 n=8
Faster-2,1e-06,1%,0.5e-06,1%,-50.00%,p=0.000 n=8
New-2,,,1e-06,1%
geomean,1e-06,,1.2e-06,,+20.00%,

,base,,head,,,
,B/s,CI,B/s,CI,vs base,P
Slower-2,1e+06,1%,2e+06,1%,+100.00%,p=0.000 n=8

,base,,head,,,
,allocs/op,CI,allocs/op,CI,vs base,P
Slower-2,0,0%,1,0%,+Inf%,p=0.000 n=8
`

func TestRegressions(t *testing.T) {
	worse, compared, err := regressions(strings.NewReader(table), 10)
	if err != nil {
		t.Fatal(err)
	}
	want := "Slower-2: sec/op +25.00%|Slower-2: allocs/op +Inf%"
	if got := strings.Join(worse, "|"); got != want || compared != 5 {
		t.Errorf("regressions = %q of %d, want %q of 5", got, compared, want)
	}
}
