// Package openapitest holds the requests and answers of a test against an OpenAPI 3.1 document. It
// is for tests only.
//
// An answer fits if its status is documented for the request, its headers are the documented ones
// and have the documented form, none that is required is missing, and its body is as documented:
// JSON by its schema, none where none is documented. Other bodies are passed through as they come,
// of any size.
//
// A request is only judged if it was successful: what the server takes, the document must allow.
// Tests send bad requests on purpose.
//
// Three extensions of the document say what OpenAPI cannot. A path parameter with x-spans-segments
// holds slashes. An entry of components.pathItems with x-path and x-of-query stands for the
// requests to that path that have this query; they are told apart by one or more of such entries.
// The entry named anythingElse stands for what no other matches.
package openapitest
