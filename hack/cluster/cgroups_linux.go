package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroupPrefix begins the name of the cgroup that a run has below the root of each hierarchy; the
// id of its process follows.
const cgroupPrefix = "iotfile-cluster-"

// hierarchy is a mounted cgroup file system: several with controllers of their own, or one with
// all.
type hierarchy struct {
	path    string
	unified bool
}

func hierarchies() ([]hierarchy, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var found []hierarchy
	for lines := bufio.NewScanner(file); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || fields[3] != "/" {
			continue
		}
		switch kind, _, _ := strings.Cut(after, " "); kind {
		case "cgroup":
			found = append(found, hierarchy{path: fields[4]})
		case "cgroup2":
			found = append(found, hierarchy{path: fields[4], unified: true})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no cgroups are mounted")
	}
	return found, nil
}

// makeCgroup makes the cgroup of this run and returns its path below each root.
func makeCgroup() (string, error) {
	all, err := hierarchies()
	if err != nil {
		return "", err
	}
	name := "/" + cgroupPrefix + strconv.Itoa(os.Getpid())
	for _, h := range all {
		dir := h.path + name
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", err
		}
		if h.unified {
			continue
		}
		if err := inheritCpuset(h.path, dir); err != nil {
			return "", err
		}
	}
	return name, nil
}

// inheritCpuset gives a group the processors and the memory of its parent, if their hierarchy is
// that of cpuset. The first version of it lets nothing run in a group before it is told where.
func inheritCpuset(parent, dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), value, 0); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// removeCgroup removes a cgroup and all below it, once nothing runs there any more.
func removeCgroup(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range all {
		errs = append(errs, removeGroups(filepath.Join(h.path, name)))
	}
	return errors.Join(errs...)
}

// removeGroups removes a directory of a hierarchy, children first. Files in it go by themselves.
func removeGroups(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := removeGroup(dir); err != nil {
			return fmt.Errorf("remove cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// removeGroup removes a group without children. The kernel takes a moment to let go of processes
// that have ended.
func removeGroup(dir string) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := syscall.Rmdir(dir)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// sweepCgroups removes what runs have left that were killed.
func sweepCgroups() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range all {
		left, err := filepath.Glob(filepath.Join(h.path, cgroupPrefix+"*"))
		errs = append(errs, err)
		for _, dir := range left {
			pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), cgroupPrefix))
			if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				errs = append(errs, removeGroups(dir))
			}
		}
	}
	return errors.Join(errs...)
}
