package devcluster

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"
)

// server is a child that listens on ports: how to start it on given ones and how to see that it
// answers.
type server struct {
	wanted []int  // for each port the number that the user asks for, 0 for any
	memory string // file that remembers the numbers between runs; "" for none
	limit  time.Duration
	start  func(ports []int) (*process, error)
	ready  func(ctx context.Context, ports []int) error
}

// run starts the server and waits until it is ready. When it ends because another program took a
// port between our choice and its use, other ports are tried. The caller releases the ports after
// stopping the process.
func (s *server) run(ctx context.Context) (*process, []*port, error) {
	before, err := s.recall()
	if err != nil {
		return nil, nil, err
	}
	for attempt := 1; ; attempt++ {
		p, ports, lost, err := s.try(ctx, before)
		if err == nil || !lost || attempt == 5 {
			return p, ports, err
		}
	}
}

// try runs the server on one choice of ports. lost says that it failed because another program had
// taken one of them.
func (s *server) try(ctx context.Context, before []int) (p *process, ports []*port, lost bool, err error) {
	if ports, err = s.choosePorts(before); err != nil {
		return nil, nil, false, err
	}
	numbers := portNumbers(ports)
	if p, err = s.start(numbers); err != nil {
		releasePorts(ports)
		return nil, nil, false, err
	}
	err = p.waitReady(ctx, s.limit, func(ctx context.Context) error { return s.ready(ctx, numbers) })
	if err == nil {
		err = s.remember(numbers)
	}
	if err == nil {
		return p, ports, false, nil
	}
	lost = p.exited() && anyTaken(numbers)
	_ = p.kill()
	releasePorts(ports)
	return nil, nil, lost, err
}

// recall returns the ports used before, or none.
func (s *server) recall() ([]int, error) {
	data, err := os.ReadFile(s.memory)
	if s.memory == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var before []int
	_ = json.Unmarshal(data, &before) // a damaged memory only costs new ports
	return before, nil
}

func (s *server) choosePorts(before []int) ([]*port, error) {
	var ports []*port
	for i, wanted := range s.wanted {
		old := 0
		if i < len(before) {
			old = before[i]
		}
		p, err := choosePort(wanted, old)
		if err != nil {
			releasePorts(ports)
			return nil, err
		}
		ports = append(ports, p)
	}
	return ports, nil
}

func (s *server) remember(numbers []int) error {
	if s.memory == "" {
		return nil
	}
	data, err := json.Marshal(numbers)
	if err != nil {
		return err
	}
	return writeFile(s.memory, data)
}
