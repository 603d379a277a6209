// Package content reads what a client says of the content of a file (its media type, its coding and
// the like), keeps what is to be kept with it, and tells readers of the file.
//
// Start with headers.go; text.go has the forms in which values come. The package imports the API's
// types, the answers of errors and what a stored object is.
package content
