// Package storetest is the conformance suite of filestore.Store: one set of tests for every
// implementation and every backend.
//
// It asserts what the comments in package filestore promise. Where backends may differ, it observes
// what the backend at hand does, and fails unless that is what its Traits declare: a backend that
// changes is seen, and the Table tells them apart.
//
//	func TestConformance(t *testing.T) {
//		table := storetest.NewTable()
//		storetest.Run(t, table, func(t *testing.T) storetest.Backend { … })
//		table.Publish(t)
//	}
package storetest
