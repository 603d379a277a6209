// Package upload is the domain: what an upload is, what may be done to it and what comes next. It
// is pure: no context, no I/O and no clock, the time is an argument, so that every rule can be
// tested as a table and fuzzed.
//
//	key.go          what a file may be called
//	place.go        where it is stored, and whether a status agrees
//	name.go         the name of the MultipartUpload of a file
//	metadata.go     what is stored with a file: version, owner, description
//	version.go      the integer ETag and If-Match
//	sequence.go     the parts must be exactly 1..N
//	admit.go        may this part come in?
//	store.go        which FileStore serves a namespace, and its limits
//	expiry.go       when an upload's time is over
//	state.go        what a recorded status means
//	observation.go  what a decision looks at
//	decide.go       what the reconciler does next, with mismatch.go
package upload
