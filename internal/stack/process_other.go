//go:build !unix

package stack

import (
	"errors"
	"syscall"
)

func processAttr(syscall.Signal) *syscall.SysProcAttr { return nil }

func killGroup(int) error { return errors.ErrUnsupported }

func processIdentity(int) (identity, error) { return identity{}, errors.ErrUnsupported }

func commandLine(int) string { return "" }

func processesIn(string) []int { return nil }
