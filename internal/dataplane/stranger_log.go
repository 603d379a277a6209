package dataplane

import (
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/limit"
)

// strangerLines is how many log lines are written of requests of nobody knows whom. Anybody who
// reaches the port can cause them.
var strangerLines = limit.Rate{PerSecond: 5, Burst: 100}

// strangerReport is how often the log says how many of them were left out.
const strangerReport = 10 * time.Second

// strangerLog is a budget of log lines for requests that were refused before it was known who sent
// them. What it leaves out is counted, and the count is written.
type strangerLog struct {
	log    logr.Logger
	budget limit.Keyed[struct{}]

	mu      sync.Mutex
	leftOut int // since the last report
}

func newStrangerLog(log logr.Logger) *strangerLog {
	return &strangerLog{log: log}
}

// admits reports whether the line of a request may be written.
func (l *strangerLog) admits(c *call, status int) bool {
	if c.identity.Name != "" || status < http.StatusBadRequest || status >= http.StatusInternalServerError {
		return true
	}
	if _, over := l.budget.Take(struct{}{}, time.Now(), 0, limit.Want{Amount: 1, Rate: strangerLines}); over < 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leftOut++; l.leftOut == 1 {
		time.AfterFunc(strangerReport, l.report)
	}
	return false
}

// report writes how many lines were left out since the last report.
func (l *strangerLog) report() {
	l.mu.Lock()
	n := l.leftOut
	l.leftOut = 0
	l.mu.Unlock()
	l.log.Info("requests of unknown callers were refused without a log line of their own", "count", n, "within", strangerReport.String())
}
