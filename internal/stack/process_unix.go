//go:build unix && !linux

package stack

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

func processAttr(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

func processIdentity(pid int) (identity, error) {
	ps := func(column string) (string, error) {
		out, err := exec.Command("ps", "-ww", "-p", strconv.Itoa(pid), "-o", column+"=").Output()
		return strings.TrimSpace(string(out)), err
	}
	started, err := ps("lstart")
	if err != nil || started == "" {
		return identity{}, os.ErrNotExist
	}
	command, err := ps("command")
	return identity{Started: started, Command: command}, err
}

func processesIn(string) []int { return nil }
