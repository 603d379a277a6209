// Package bulkconn moves large bodies over TCP in few system calls. What a byte costs depends on
// how it arrives: one that trickles in wakes its reader for some KiB at a time, and TLS reads and
// writes a record of 16 KiB at a time.
//
// A Conn stands below TLS and HTTP. It has the kernel wait for more of a body before it wakes the
// reader (SO_RCVLOWAT, Linux alone), reads ahead for TLS, and writes several of its records at
// once. Large steps are calls of the kernel that the Go runtime is not told of (Linux alone): they
// never wait, and being told it would start threads for others meanwhile. Nobody above it sees a
// difference but in time: bytes are held up for 50 ms at most.
//
// Start with conn.go, which reads; write.go writes; wait.go decides how many bytes the kernel waits
// for. The package imports nothing of this project.
package bulkconn
