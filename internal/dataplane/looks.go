package dataplane

import (
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/limit"
)

// looksRate bounds how often a request that the cache would refuse is judged once more by what the
// API server has, because the cache may be behind, per replica and namespace: a flood of parts for
// uploads that are not there must not become a flood of reads there. The burst is for a client that
// sends many parts at once right after another replica has answered its start. Earlier answers are
// not remembered instead: one of a moment before the start would refuse a good part.
var looksRate = limit.Rate{PerSecond: 20, Burst: 200}

// secondLooks counts them.
type secondLooks struct{ limit.Keyed[string] }

// take allows one, or answers 503: whether the part is good is not known.
func (l *secondLooks) take(namespace string, now time.Time) error {
	if _, over := l.Take(namespace, now, 0, limit.Want{Amount: 1, Rate: looksRate}); over >= 0 {
		return apierror.Unavailable("the namespace sends too many requests for uploads that are not open here: start the upload, or send the request again", apierror.RetryShort)
	}
	return nil
}

// lookAgain allows a second look, and counts one that is not.
func (s *Server) lookAgain(namespace string) error {
	err := s.looks.take(namespace, s.opts.Clock.Now())
	if err != nil {
		s.metrics.rejected.WithLabelValues(budgetLooks).Inc()
	}
	return err
}
