// Package abortagain aborts uploads that have ended once more, minutes later: a replica that was
// suspended, or cut off from the API server, may have landed a part after the abort, and no listing
// of the store need show it.
//
// Log writes down what has ended, in ConfigMaps of the operator's namespace; multipartupload calls
// it before each abort. Runner reads them, on the leader, when their time has come. Start with
// runner.go.
//
// The package imports api, internal/filestore and controllers/reconciler.
package abortagain
