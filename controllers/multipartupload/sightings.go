package multipartupload

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// sightings remember since when something was seen of uploads that has to be seen for a while to be
// acted on. They live as long as a term of the leader. The zero value is ready.
type sightings struct {
	mu   sync.Mutex
	seen map[types.NamespacedName]sighting
}

type sighting struct {
	uid   types.UID
	since time.Time
	times int
}

// note remembers that it is seen now, and gives since when it was and how many times.
func (s *sightings) note(u *v1alpha1.MultipartUpload, now time.Time) (since time.Time, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := client.ObjectKeyFromObject(u)
	found, known := s.seen[name]
	if !known || found.uid != u.UID {
		found = sighting{uid: u.UID, since: now}
	}
	found.times++
	if s.seen == nil {
		s.seen = map[types.NamespacedName]sighting{}
	}
	s.seen[name] = found
	return found.since, found.times
}

// times is how often it was seen.
func (s *sightings) times(u *v1alpha1.MultipartUpload) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.seen[client.ObjectKeyFromObject(u)]; found.uid == u.UID {
		return found.times
	}
	return 0
}

// forget says that it is seen no more.
func (s *sightings) forget(name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, name)
}
