package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// Geometry of the chart, in pixels.
const (
	chartWidth  = 960
	labelWidth  = 300
	panelWidth  = 250
	panelGap    = 70
	barHeight   = 16
	barStep     = 22
	groupHeader = 58
)

// chartStyle follows the reader's light or dark mode.
const chartStyle = `
svg { font: 13px system-ui, sans-serif; background: #ffffff }
text { fill: #1f2328 } .dim { fill: #656d76 } .h { font-weight: 600; font-size: 15px }
.bar { fill: #8c959f } .ours { fill: #0969da } .axis { stroke: #8c959f; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 } text { fill: #e6edf3 } .dim { fill: #8d96a0 }
  .bar { fill: #656d76 } .ours { fill: #4493f8 } .axis { stroke: #656d76 }
}`

// chart draws of the first traffic, for each store, throughput and CPU of all ways as bars, at the
// parallelism nearest to four.
func (r *report) chart() []byte {
	parallel := r.settings.parallel[0]
	if slices.Contains(r.settings.parallel, 4) {
		parallel = 4
	}
	var body bytes.Buffer
	y := 20
	for _, store := range r.settings.stores {
		var rows []*row
		for _, row := range r.rows {
			if row.traffic.name == r.settings.traffics[0].name && row.store == store && row.parallel == parallel {
				rows = append(rows, row)
			}
		}
		if len(rows) > 0 {
			fmt.Fprintf(&body, `<text class="h" x="12" y="%d">%s, %d parts of %d MiB at once</text>`+"\n", y+14, escape(storeTitle(store)), parallel, r.settings.part)
			y = r.group(&body, rows, y+groupHeader)
		}
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="throughput and CPU of each way to the store">
<style>%s</style>
<rect width="100%%" height="100%%" fill="none"/>
%s</svg>
`, chartWidth, y, chartWidth, y, chartStyle, body.String())
}

func storeTitle(store string) string {
	return map[string]string{"null": "Null store (forgets the bytes)", "minio": "MinIO", "versitygw": "versitygw on a disk"}[store]
}

// group draws the bars of one store from y on and returns where the next may begin.
func (r *report) group(w *bytes.Buffer, rows []*row, y int) int {
	maxRate, maxCPU := 1.0, 0.0
	for _, row := range rows {
		if b := r.rate(row, base); b > 0 {
			maxRate = max(maxRate, median(row.rate)/b)
		}
		maxCPU = max(maxCPU, median(row.cpu))
	}
	left, right := labelWidth+20, labelWidth+20+panelWidth+panelGap
	fmt.Fprintf(w, `<text class="dim" x="%d" y="%d">MB/s × straight, more is better</text><text class="dim" x="%d" y="%d">CPU-s/GiB in front of the store, less is better</text>`+"\n", left, y-12, right, y-12)
	bottom := y + barStep*len(rows)
	one := left + int(panelWidth/maxRate)
	fmt.Fprintf(w, `<line class="axis" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", one, y-4, one, bottom)
	for i, row := range rows {
		top := y + i*barStep
		label, _, _ := strings.Cut(row.way.label, ",")
		if row.way.start == nil || row.way.mode == modeTus {
			label = strings.TrimPrefix(row.way.label, "straight to the store, ")
		}
		fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth+8, top+13, escape(label))
		if b := r.rate(row, base); b > 0 {
			bar(w, left, top, median(row.rate)/b, maxRate, row.way.name)
		}
		if row.way.start != nil {
			bar(w, right, top, median(row.cpu), maxCPU, row.way.name)
		}
	}
	return bottom + 24
}

func bar(w *bytes.Buffer, x, y int, value, limit float64, name string) {
	class := "bar"
	if name == "ours" {
		class = "bar ours"
	}
	width := max(1, int(panelWidth*value/max(limit, 0.01)))
	fmt.Fprintf(w, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="2"/><text class="dim" x="%d" y="%d">%.2f</text>`+"\n", class, x, y, width, barHeight, x+width+5, y+13, value)
}

func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer takes everything
	return b.String()
}
