package multipartupload

// What decides which events wake an upload; that it does is tested with a running manager.
var (
	EndedOrDeleted   = endedOrDeleted
	StoreChanged     = storeChanged
	MoreThanProgress = moreThanProgress
)
