package controllers

// What decides which events wake an upload; that it does is tested with a running manager.
var (
	EndedOrDeleted = endedOrDeleted
	StoreChanged   = storeChanged
)

// Finishing is what every reconciler is wrapped in.
var Finishing = finishing
