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
	out, err := exec.Command("ps", "-p", strconv.Itoa(pid), "-o", "lstart=").Output()
	started := strings.TrimSpace(string(out))
	if err != nil || started == "" {
		return identity{}, os.ErrNotExist
	}
	return identity{Started: started}, nil
}

func commandLine(pid int) string {
	out, err := exec.Command("ps", "-ww", "-p", strconv.Itoa(pid), "-o", "command=").Output()
	if err != nil {
		return ""
	}
	return string(out)
}

func processesIn(string) []int { return nil }
