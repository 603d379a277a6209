//go:build !linux

package main

import (
	"context"
	"errors"
)

var errLinux = errors.New("a node of one's own takes Linux")

func checkMachine(context.Context, bool) error  { return errLinux }
func sweepCgroups() error                       { return errLinux }
func initMain(settings) error                   { return errLinux }
func runInside(context.Context, settings) error { return errLinux }
func runOnNode(context.Context, string) error   { return errLinux }
