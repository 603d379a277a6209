// Package iotfile is the Go client of iotfile-operator: it sends files of any size to the REST API
// of docs/rest-api.md and reads them back, with a projected service-account token and no key of
// object storage. It is a module of its own, and imports the standard library and
// github.com/minio/crc64nvme alone.
//
// A [Client] is made by [New] and serves any number of goroutines. A file is named by
// "ENTITY/PATH". Each call retries what can be repeated, ends with its context, and leaves neither
// a goroutine nor a connection behind. There is nothing to close.
//
// [Client.Upload] goes on where an earlier process was killed, from any working directory: what
// object storage has of the file is compared, part by part, with the file at hand.
//
// Start with upload.go; request.go has the one way of all requests, errors.go what comes back.
package iotfile
