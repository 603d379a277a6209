// Package leader has one of several processes act at a time: the one that holds a Lease. It is
// client-go's leader election with four differences to the way in which controller-runtime's
// manager uses it.
//
//   - A term ends before the lease is given back: what acts has stopped by the time that another process can begin.
//   - A lost lease ends the term, not the process. The manager exits, because it cannot know what else in the process relies on the lease;
//     here that is known: act and nothing else. Whoever calls Run keeps the rest of the process, such as bodies that are being
//     streamed, out of act.
//   - The lease is watched, so that a candidate takes over as soon as it is given back, or has run out, and not at its next look.
//   - A leader that was suspended and sees, when it wakes up, that another one holds the lease, stops at once.
//
// That two leaders act at once is made unlikely by this, but no lease can rule it out: a process
// can be suspended between its last look at the lease and a write. What acts has to bear it, for
// example by writing with the version of what it has read.
//
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=iotfile-system,resources=leases,verbs=get;list;watch;create;update
package leader
