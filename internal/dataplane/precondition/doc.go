// Package precondition evaluates the conditions of requests, and reads the ranges that they ask
// for, as RFC 9110 has them (sections 13 and 14): of reads in Evaluate, of ranges in ParseRanges
// and Continues, of writes in Write. A write whose condition fails is a conflict.
//
// It knows files by their version, their tag and their times, and no upload but the one that it is
// given. Start with read.go.
package precondition
