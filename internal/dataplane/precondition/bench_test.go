package precondition

import (
	"fmt"
	"testing"
)

// BenchmarkRanges parses what clients send: one range, and the most that is taken.
func BenchmarkRanges(b *testing.B) {
	many := "bytes=0-0"
	for i := 1; i < MaxRanges; i++ {
		many += fmt.Sprintf(",%d-%d", i*1000, i*1000+9)
	}
	for name, header := range map[string]string{"one": "bytes=1048576-2097151", "many": many} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rngs, ok := ParseRanges(header, 1<<30); !ok || len(rngs) == 0 {
					b.Fatal("not parsed")
				}
			}
		})
	}
}
