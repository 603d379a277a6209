package devcluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
)

// Ports are picked below the range from which kernels take the local ports of outgoing connections,
// so that none of those can sit on a port between its choice and its use.
const (
	firstPort = 20000
	lastPort  = 31999
)

// errPortTaken is returned when a port that was asked for is in use.
var errPortTaken = errors.New("in use by another program")

// port is a port number that this process has reserved. Every process that uses this package
// respects the reservation, also while nothing listens on the port yet, and it ends with the
// process at the latest.
type port struct {
	number int
	lock   *fileLock
}

// reservePort reserves the port with that number.
func reservePort(number int) (*port, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	lock, _, err := tryLock(filepath.Join(cache, "ports", strconv.Itoa(number)))
	if errors.Is(err, errLocked) {
		return nil, errPortTaken
	}
	if err != nil {
		return nil, err
	}
	if !portFree(number) {
		_ = lock.Unlock()
		return nil, errPortTaken
	}
	return &port{number: number, lock: lock}, nil
}

// ReserveAddress gives an address on loopback for a server that has to be told where to listen. No
// other process that asks for one gets it before release, which may be called once, or this process
// ends.
func ReserveAddress() (listen string, release func(), err error) {
	p, err := choosePort(0, 0)
	if err != nil {
		return "", nil, err
	}
	return address(p.number), p.release, nil
}

func (p *port) release() { _ = p.lock.Unlock() }

// portFree reports whether the port can be listened on at this moment.
func portFree(number int) bool {
	listener, err := net.Listen("tcp", address(number))
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}

// choosePort reserves wanted, the port that the user asks for; else the port that was used before,
// when it is free; else any.
func choosePort(wanted, before int) (*port, error) {
	if wanted != 0 {
		p, err := reservePort(wanted)
		if err != nil {
			return nil, fmt.Errorf("port %d: %w", wanted, err)
		}
		return p, nil
	}
	if before != 0 {
		if p, err := reservePort(before); err == nil {
			return p, nil
		}
	}
	for range 200 {
		p, err := reservePort(firstPort + rand.IntN(lastPort-firstPort+1))
		if !errors.Is(err, errPortTaken) {
			return p, err
		}
	}
	return nil, fmt.Errorf("no free port between %d and %d", firstPort, lastPort)
}

func portNumbers(ports []*port) []int {
	numbers := make([]int, 0, len(ports))
	for _, p := range ports {
		numbers = append(numbers, p.number)
	}
	return numbers
}

func anyTaken(numbers []int) bool {
	for _, number := range numbers {
		if !portFree(number) {
			return true
		}
	}
	return false
}

func releasePorts(ports []*port) {
	for _, p := range ports {
		p.release()
	}
}

// address is where a server on that port listens.
func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
