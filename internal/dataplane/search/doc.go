// Package search finds files of an entity among its objects in object storage. A Query is read from
// the query of a request: a filter, an order, and a page. Run goes over the objects once, keeps no
// more of them than the page needs, and asks object storage only for what a listing does not tell.
//
// Start with query.go; filter.go has the grammar, pass.go the pass. The package imports the domain,
// what a stored object is, and the answers of errors.
package search
