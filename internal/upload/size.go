package upload

import (
	"math"
	"strconv"
)

// DisplayBytes writes a number of bytes for people, with binary units and at most one decimal: "0
// B", "96 MiB", "1.5 GiB".
func DisplayBytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	value, unit := float64(n), 0
	for roundForDisplay(value) >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return strconv.FormatFloat(roundForDisplay(value), 'f', -1, 64) + " " + units[unit]
}

// roundForDisplay keeps one decimal of a number below 100.
func roundForDisplay(value float64) float64 {
	if value >= 100 {
		return math.Round(value)
	}
	return math.Round(value*10) / 10
}
