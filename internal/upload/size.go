package upload

import "strconv"

// DisplayBytes writes a number of bytes for people, with binary units and at most one decimal: "0 B", "96 MiB", "1.5 GiB".
func DisplayBytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	decimals := 1
	if value == float64(int64(value)) || value >= 100 {
		decimals = 0
	}
	return strconv.FormatFloat(value, 'f', decimals, 64) + " " + units[unit]
}
