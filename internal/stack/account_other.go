//go:build !linux

package stack

import "syscall"

func asNobodyToItself() (func(*syscall.SysProcAttr), bool) { return nil, false }
