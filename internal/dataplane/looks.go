package dataplane

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
)

// A request that the cache would refuse is judged once more by what the API server has, because the
// cache may be behind. These bound how often that is, per replica and namespace: a flood of parts
// for uploads that are not there must not become a flood of reads there. The burst is for a client
// that sends many parts at once right after another replica has answered its start. Earlier answers
// are not remembered instead: one of a moment before the start would refuse a good part.
const (
	looksPerSecond = 20
	looksBurst     = 200
	// looksRemembered is from how many namespaces on those that are quiet are forgotten.
	looksRemembered = 1024
)

// secondLooks counts them.
type secondLooks struct {
	mu          sync.Mutex
	byNamespace map[string]*rate.Limiter
}

// take allows one, or answers 503: whether the part is good is not known.
func (l *secondLooks) take(namespace string, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.byNamespace[namespace]
	if limiter == nil {
		if len(l.byNamespace) >= looksRemembered {
			l.forgetQuiet(now)
		}
		if l.byNamespace == nil {
			l.byNamespace = map[string]*rate.Limiter{}
		}
		limiter = rate.NewLimiter(looksPerSecond, looksBurst)
		l.byNamespace[namespace] = limiter
	}
	if !limiter.AllowN(now, 1) {
		return apierror.Unavailable("the namespace sends too many requests for uploads that are not open here: start the upload, or send the request again", apierror.RetryShort)
	}
	return nil
}

func (l *secondLooks) forgetQuiet(now time.Time) {
	for namespace, limiter := range l.byNamespace {
		if limiter.TokensAt(now) >= looksBurst {
			delete(l.byNamespace, namespace)
		}
	}
}
