package multipartupload

// What decides which events wake an upload, and which goes first; that it does is tested with a
// running manager.
var (
	EndedOrDeleted = endedOrDeleted
	StoreChanged   = storeChanged
	ByPriority     = byPriority
	Itself         = itself

	MoreThanProgress = moreThanProgress
)
