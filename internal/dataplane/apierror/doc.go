// Package apierror has the errors that answer a request. An Error has a status, a message, a time
// to come again, and a cause for the log. Describe is the one table from the errors of all packages
// to such answers, and Write alone sends one.
//
// Handlers return an error of the package where it arises (internal/upload, internal/filestore,
// internal/identity), or an Error made by a constructor of this package. Packages below the
// handlers use the constructors and sentinel errors, and know no HTTP status.
//
// Start with Describe in table.go; reasons.go has the answers for condition reasons, cluster.go
// those for the API server's errors. The package imports nothing of the data plane.
package apierror
