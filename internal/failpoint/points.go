// Package failpoint names the places between every two steps that touch the outside world, so that
// a test can have the process die in each.
//
// A release knows nothing of it: without the build tag "failpoints" Hit is empty, and the compiler
// leaves no call and no name behind. With the tag, the process ends at the point that is armed in a
// file, as a crash does. TestCrashPoints, end to end, walks all of them.
//
// With the build tag "seededrace" each point is a data race instead, by which `make race` and chaos
// show that they find races.
package failpoint

// Name is a point. A place that several requests come through has one name, such as BodyRead.
type Name string

// The points of the data plane.
const (
	// StartAdmitted: a start was found good; nothing is recorded.
	StartAdmitted Name = "start-admitted"
	// StartNameCleared: the record of an earlier upload, which has ended, was deleted; its
	// successor is not recorded yet.
	StartNameCleared Name = "start-name-cleared"
	// StartRecorded: the MultipartUpload of a start is created; nobody waits for it yet.
	StartRecorded Name = "start-recorded"
	// StartOpened: the upload is open; the client was not answered.
	StartOpened Name = "start-opened"
	// PartAdmitted: a part was found good and has its place in the budget; no byte of it was read.
	PartAdmitted Name = "part-admitted"
	// BodyRead: a body on its way to object storage is asked for more bytes.
	BodyRead Name = "body-read"
	// PartStored: object storage has a part, the final one maybe; nothing else was done with it.
	PartStored Name = "part-stored"
	// ProgressListed: the parts were listed; status.progress is as it was.
	ProgressListed Name = "progress-listed"
	// ProgressRecorded: status.progress was written.
	ProgressRecorded Name = "progress-recorded"
	// FinalNumberRecorded: spec.finalPartNumber is recorded; no byte of the final part was read.
	FinalNumberRecorded Name = "final-number-recorded"
	// CompletionIntended: spec.desiredState is Completed; nobody waits for the end yet.
	CompletionIntended Name = "completion-intended"
	// CompletionSeen: the upload is seen as completed; the client was not answered.
	CompletionSeen Name = "completion-seen"
	// AbortIntended: an abort is recorded, as a deletion or in spec.desiredState.
	AbortIntended Name = "abort-intended"
	// AbortSeen: the upload is seen to have ended; the client was not answered.
	AbortSeen Name = "abort-seen"
	// ObjectStored: object storage has a file that came in one request; the client was not
	// answered.
	ObjectStored Name = "object-stored"
	// ObjectDeleted: object storage has deleted a file; the client was not answered.
	ObjectDeleted Name = "object-deleted"
)

// The points of the reconcilers.
const (
	// FinalizerAdded: a record that came without the finalizer has it.
	FinalizerAdded Name = "finalizer-added"
	// UploadCreated: object storage has opened an upload; its id is recorded nowhere.
	UploadCreated Name = "upload-created"
	// UploadRecorded: the id of an upload was written; its event was not.
	UploadRecorded Name = "upload-recorded"
	// AssemblyDecided: an upload is about to be assembled.
	AssemblyDecided Name = "assembly-decided"
	// FileAssembled: object storage has assembled the file; the status does not say so.
	FileAssembled Name = "file-assembled"
	// AbortConfirmed: the live record has confirmed that the parts are to go; they are all there.
	AbortConfirmed Name = "abort-confirmed"
	// PartsAborted: object storage has aborted the upload; the status does not say so.
	PartsAborted Name = "parts-aborted"
	// EndRecorded: the status tells of an upload's end; its event was not written, its finalizer
	// not removed.
	EndRecorded Name = "end-recorded"
	// FinalizerRemoved: nothing keeps the record any more.
	FinalizerRemoved Name = "finalizer-removed"
	// RecordCollected: the record of a finished upload was deleted.
	RecordCollected Name = "record-collected"
	// StoreHeld: a new FileStore has its finalizer; nothing was probed.
	StoreHeld Name = "store-held"
	// StoreReleased: nothing keeps a deleted FileStore any more.
	StoreReleased Name = "store-released"
	// OrphansListed: the sweep knows its suspects; nothing was aborted.
	OrphansListed Name = "orphans-listed"
	// OrphanAborted: the sweep has aborted an orphan; no event tells of it.
	OrphanAborted Name = "orphan-aborted"
)

// All returns every point.
func All() []Name {
	return []Name{
		StartAdmitted, StartNameCleared, StartRecorded, StartOpened, PartAdmitted, BodyRead, PartStored, ProgressListed, ProgressRecorded,
		FinalNumberRecorded, CompletionIntended, CompletionSeen, AbortIntended, AbortSeen, ObjectStored, ObjectDeleted,
		FinalizerAdded, UploadCreated, UploadRecorded, AssemblyDecided, FileAssembled, AbortConfirmed, PartsAborted, EndRecorded,
		FinalizerRemoved, RecordCollected, StoreHeld, StoreReleased, OrphansListed, OrphanAborted,
	}
}

// Variable of the environment names a file. While it holds the name of a point, the process ends
// when it reaches that, and removes the file: "part-stored", or "body-read=3" for the third time
// from when it was armed. The file is to be put there by a rename, whole.
const Variable = "IOTFILE_FAILPOINT_FILE"

// OptionsVariable of the environment names a file of test options, in a build with the tag: what
// only tests of the built binary turn.
const OptionsVariable = "IOTFILE_TEST_OPTIONS"

// ExitStatus is how a process ends at a point: no other end of the operator has this status.
const ExitStatus = 86
