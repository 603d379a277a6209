package iotfile

import (
	"sync"
	"time"
)

// Progress is how far an upload or a download is, in bytes.
type Progress struct {
	// Total is the size of the file, -1 as long as it is not known.
	Total int64
	// Done is what has arrived: of an upload in object storage, of a download in the destination.
	// It does not fall.
	Done int64
	// Reused is what of Done an earlier run had left there.
	Reused int64
	// Moved is all that went over the network, with what had to be repeated.
	Moved int64
}

// progressStep is how often bytes on their way are told.
const progressStep = 100 * time.Millisecond

// meter tells of progress, by one goroutine at a time. nil tells nobody.
type meter struct {
	mu   sync.Mutex
	tell func(Progress)
	now  Progress
	told time.Time
}

func newMeter(total int64, tell func(Progress)) *meter {
	return &meter{tell: tell, now: Progress{Total: total}}
}

// moved adds bytes that are on their way.
func (m *meter) moved(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Moved += n
	if m.tell != nil && time.Since(m.told) >= progressStep {
		m.told = time.Now()
		m.tell(m.now)
	}
}

// done adds a piece that has arrived.
func (m *meter) done(n int64, reused bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Done += n
	if reused {
		m.now.Reused += n
	}
	if m.tell != nil {
		m.tell(m.now)
	}
}

// settle tells that all of the file was there already.
func (m *meter) settle(size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Total, m.now.Reused, m.now.Done = size, m.now.Reused+size-m.now.Done, size
	if m.tell != nil {
		m.tell(m.now)
	}
}

// total tells how large the file has turned out to be.
func (m *meter) total(size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Total = size
}
