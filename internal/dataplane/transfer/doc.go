// Package transfer has what bytes pass on their way through the server: a request's body (Inbound),
// its way to object storage (Stream), the answer (Response), and a store that is watched (Watch).
// Each has a deadline that slides as long as bytes flow, and tells who is to blame when they do
// not: the client, or object storage. Nothing is kept whole but bodies of unknown length, in memory
// that is taken step by step.
//
// Start with Inbound, then Stream. The package imports the seam to object storage, the digests of
// bodies, and the errors that answer; it knows no upload, and of HTTP statuses only the default.
package transfer
