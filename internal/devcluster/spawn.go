package devcluster

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawn starts cmd in a process group of its own, to die with this process.
//
// The kernel counts the death of the *thread* that started a child as its parent's. Go ends a
// thread when a goroutine that is locked to it returns, so all children are started by one thread
// that never ends.
func spawn(cmd *exec.Cmd) error {
	spawnerOnce.Do(func() { go runSpawner() })
	cmd.SysProcAttr = childAttributes()
	request := spawnRequest{cmd: cmd, result: make(chan error, 1)}
	spawnRequests <- request
	return <-request.result
}

type spawnRequest struct {
	cmd    *exec.Cmd
	result chan error
}

var (
	spawnerOnce   sync.Once
	spawnRequests = make(chan spawnRequest)
)

func runSpawner() {
	runtime.LockOSThread()
	for request := range spawnRequests {
		request.result <- request.cmd.Start()
	}
}
