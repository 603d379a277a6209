// Package splice forwards HTTP/1.1 as cheaply as a process can: it reads the head of a request, as
// it has to in order to know where the request goes and how long it is, and leaves the body to
// splice(2), which moves it from socket to socket inside the kernel. It can look at no byte, so it
// is the floor below which nothing that checks bytes can come, and no proxy for use.
package splice

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
)

// headBytes is the longest head of a request.
const headBytes = 16 << 10

// Serve forwards what comes to listener to the address target, by a connection of its own for each
// that it takes. It returns when listener is closed.
func Serve(listener *net.TCPListener, target *net.TCPAddr) error {
	for {
		client, err := listener.AcceptTCP()
		if err != nil {
			return err
		}
		go forward(client, target)
	}
}

func forward(client *net.TCPConn, target *net.TCPAddr) {
	defer func() { _ = client.Close() }()
	store, err := net.DialTCP("tcp", nil, target)
	if err != nil {
		return
	}
	defer func() { _ = store.Close() }()
	go func() {
		_, _ = io.Copy(client, store) // answers
		_ = client.Close()
	}()
	in := bufio.NewReaderSize(client, headBytes)
	for {
		if err := requests(in, client, store); err != nil {
			return
		}
	}
}

// requests forwards one request.
func requests(in *bufio.Reader, client, store *net.TCPConn) error {
	length, err := head(in, store)
	if err != nil {
		return err
	}
	buffered := min(length, int64(in.Buffered()))
	if _, err := io.CopyN(store, in, buffered); err != nil {
		return err
	}
	// A LimitedReader of a TCPConn is what TCPConn.ReadFrom splices.
	n, err := io.Copy(store, &io.LimitedReader{R: client, N: length - buffered})
	if err == nil && n < length-buffered {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// head forwards the head of a request and returns the length of its body.
func head(in *bufio.Reader, store io.Writer) (length int64, err error) {
	var all []byte
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if all = append(all, line...); len(all) > headBytes {
			return 0, errors.New("the head is too long")
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return 0, err
			}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			_, err = store.Write(all)
			return length, err
		}
	}
}
