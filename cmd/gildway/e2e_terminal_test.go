//go:build linux

package main_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal gives both ends of a terminal: what is drawn on the second is read from the first.
func openTerminal(t *testing.T, columns, rows uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

func TestCLI_OnATerminal_TheRunIsDrawnInPlace(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "tina")
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte("name: drawn-service\nowner: "+p.team+"\ndescription: Drawn\nenableAIAssistant: false\n"), 0o600))
	draw := func(env string, args ...string) string {
		master, slave := openTerminal(t, 100, 30)
		var drawn, errOut bytes.Buffer
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(&drawn, master) // ends with an error when the other end is closed
		}()
		cmd := exec.CommandContext(t.Context(), binary(t), args...)
		cmd.Stdout, cmd.Stderr = slave, &errOut
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TERM=xterm", env, "GILDWAY_API=" + p.stack.endpoints.API, "GILDWAY_TOKEN=" + p.token}
		require.NoError(t, cmd.Run(), errOut.String())
		require.NoError(t, slave.Close())
		<-read
		return drawn.String()
	}
	drawn := draw("LANG=C.UTF-8", "task", "submit", servicePath, "--values", values, "--wait")
	require.Contains(t, drawn, "\x1b[J\x1b[5A\r", "four steps and a head are drawn again in their place")
	require.Contains(t, drawn, "\x1b[32m ✓  publish")
	require.Contains(t, drawn, "completed")
	require.Contains(t, drawn, "Open Repository")

	id := p.types(t, "__complete", "task", "watch", "").out[:36] // the only run of hers
	drawn = draw("NO_COLOR=1", "task", "watch", id)
	require.Contains(t, drawn, " ✓  publish")
	require.NotContains(t, drawn, "\x1b[32m")
	require.NotContains(t, draw("NO_COLOR=", "task", "watch", id, "--plain"), "\x1b[J")
}
