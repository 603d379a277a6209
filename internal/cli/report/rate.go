package report

import "time"

const (
	// sampleEvery is how far apart samples of a rate are at least, sampleCount how many there are:
	// a rate is that of the last ten seconds.
	sampleEvery = 500 * time.Millisecond
	sampleCount = 20
)

// Rate is how fast a growing number of bytes grows, over the last ten seconds, or longer where it
// is told of less often than twice a second. The zero value is ready. It is not safe for several
// goroutines.
type Rate struct {
	samples []sample
}

type sample struct {
	at    time.Time
	bytes int64
}

// Add tells what the number is at a time.
func (r *Rate) Add(at time.Time, bytes int64) {
	last := len(r.samples) - 1
	if last >= 0 && !at.After(r.samples[last].at) {
		r.samples[last].bytes = bytes
		return
	}
	// The last sample is the newest number, and becomes a fixed one when it is old enough.
	if last >= 1 && at.Sub(r.samples[last-1].at) < sampleEvery {
		r.samples[last] = sample{at, bytes}
		return
	}
	if r.samples = append(r.samples, sample{at, bytes}); len(r.samples) > sampleCount {
		r.samples = r.samples[1:]
	}
}

// PerSecond is the rate in bytes, 0 where there is none yet.
func (r *Rate) PerSecond() float64 {
	if len(r.samples) < 2 {
		return 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return max(0, float64(last.bytes-first.bytes)/took)
}

// Left is how long so many bytes take at a rate, and whether that can be told.
func Left(bytes int64, perSecond float64) (time.Duration, bool) {
	if perSecond < 1 || bytes < 0 {
		return 0, false
	}
	seconds := float64(bytes) / perSecond
	if seconds > (10 * 365 * 24 * time.Hour).Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// Pace is a rate and the time left as people read them, "" where neither is known.
func Pace(left int64, perSecond float64) string {
	if perSecond < 1 {
		return ""
	}
	text := Size(int64(perSecond)) + "/s"
	if d, ok := Left(left, perSecond); ok && left > 0 {
		text += ", " + Duration(d) + " left"
	}
	return text
}
