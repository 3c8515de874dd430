//go:build unix

package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	vault "github.com/hashicorp/vault/api"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

const comeBack = 90 * time.Second

func TestStack_ServersKilled_ComeBackWithTheirState(t *testing.T) {
	dir := t.TempDir()
	s := startForTest(t, dir)
	writeState(t, s)
	before := s.Children()
	require.Len(t, before, 3)
	for _, child := range before {
		require.Equal(t, StateReady, child.State, child.Name)
		require.NoError(t, syscall.Kill(child.PID, syscall.SIGKILL))
	}
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(s.Children(), func(now Status) bool {
			return now.State != StateReady || now.Restarts == 0
		})
	}, comeBack, 50*time.Millisecond)
	readState(t, s)
	after := s.Children()
	ports := s.Ports

	require.NoError(t, s.Stop(t.Context()))
	for _, child := range slices.Concat(before, after) {
		_, err := processIdentity(child.PID)
		require.Error(t, err, "%s still runs", child.Name)
	}
	require.Empty(t, processesIn(s.dir.file("postgres", "data")))
	left, err := os.ReadDir(s.dir.file("run"))
	require.NoError(t, err)
	require.Empty(t, left)

	again := startForTest(t, dir)
	require.Equal(t, ports, again.Ports)
	require.Equal(t, s.VaultTokens, again.VaultTokens)
	readState(t, again)
}

func TestStack_StackKilled_NextStartFindsItsState(t *testing.T) {
	dir := t.TempDir()
	first := killedStack(t, dir)
	for _, child := range first {
		if child.Name == "postgres" {
			continue // ends by itself, after its checkpoint
		}
		require.Eventually(t, func() bool {
			_, err := processIdentity(child.PID)
			return err != nil
		}, 10*time.Second, 20*time.Millisecond, "%s outlives its stack", child.Name)
	}
	s := startForTest(t, dir)
	writeState(t, s)
	readState(t, s)
}

func TestStack_SecondOnTheSameStateDir_IsRefused(t *testing.T) {
	t.Parallel()
	dir, err := openStateDir(t.TempDir())
	require.NoError(t, err)
	defer dir.close()
	_, err = Start(t.Context(), Options{StateDir: dir.path})
	var busy *BusyError
	require.ErrorAs(t, err, &busy)
	require.ErrorContains(t, err, dir.path)
}

func TestStack_Run_RestartsAndStops(t *testing.T) {
	t.Parallel()
	s := emptyStack(t)
	child, err := s.Run("sleeper", Command{Path: "/bin/sh", Args: []string{"-c", "echo up; exec sleep 1000"}, readyOutput: "up"})
	require.NoError(t, err)
	first := child.Status()
	require.Equal(t, StateReady, first.State)
	require.NoError(t, syscall.Kill(first.PID, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		now := child.Status()
		return now.State == StateReady && now.PID != first.PID
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, s.Stop(t.Context()))
	require.Equal(t, StateStopped, child.Status().State)
	require.NoError(t, s.Wait())
}

func TestStack_Run_NeverReady_SaysWhatItsLogSays(t *testing.T) {
	t.Parallel()
	s := emptyStack(t)
	_, err := s.Run("broken", Command{Path: "/bin/sh", Args: []string{"-c", "echo no disk >&2; exit 3"}, Ready: ReadyHTTP("http://127.0.0.1:1/")})
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "no disk")
	require.Empty(t, s.Children())
}

func TestStack_Stop_DeafChild_IsKilledWithItsGroup(t *testing.T) {
	t.Parallel()
	s := emptyStack(t)
	child, err := s.Run("deaf", Command{
		Path: "/bin/sh", Args: []string{"-c", `trap "" TERM; sleep 1000 & echo $!; while :; do wait; done`},
		Grace: 50 * time.Millisecond, readyOutput: "",
	})
	require.NoError(t, err)
	pid := child.Status().PID
	require.NoError(t, s.Stop(t.Context()))
	_, err = processIdentity(pid)
	require.Error(t, err)
}

func emptyStack(t *testing.T) *Stack {
	t.Helper()
	dir, err := openStateDir(t.TempDir())
	require.NoError(t, err)
	s := newStack(context.Background(), dir, Options{})
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

// killedStack runs a stack in a process of its own and kills that when all is up.
func killedStack(t *testing.T, dir string) []Status {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asStack+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	var children []Status
	require.NoError(t, json.Unmarshal(line, &children))
	require.Len(t, children, 3)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	return children
}

func writeState(t *testing.T, s *Stack) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, s.PostgresURL)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('row')")
	require.NoError(t, err)

	v := vaultClient(t, s)
	_, err = v.KVv2("teams").Put(ctx, "payments", map[string]any{"word": "secret"})
	require.NoError(t, err)

	c := temporalClient(t, s)
	_, err = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "kept", TaskQueue: "nobody", TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword("GildwayTemplate").ValueSet("kept"),
			temporal.NewSearchAttributeKeyKeywordList("GildwayApprovers").ValueSet([]string{"a", "b"}),
		),
	}, "some-template")
	require.NoError(t, err)
}

func readState(t *testing.T, s *Stack) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, s.PostgresURL)
	require.NoError(t, err)
	defer conn.Close(ctx)
	var word string
	require.NoError(t, conn.QueryRow(ctx, "SELECT word FROM kept").Scan(&word))
	require.Equal(t, "row", word)

	secret, err := vaultClient(t, s).KVv2("teams").Get(ctx, "payments")
	require.NoError(t, err)
	require.Equal(t, "secret", secret.Data["word"])
	_, err = vaultClient(t, s).Sys().ListMounts()
	require.ErrorContains(t, err, "permission denied", "the issued token is no root token")

	c := temporalClient(t, s)
	attributes, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: s.TemporalNamespace})
	require.NoError(t, err)
	require.Len(t, attributes.CustomAttributes, 5)
	require.Eventually(t, func() bool {
		count, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: "GildwayTemplate = 'kept' AND GildwayApprovers = 'b'"})
		return err == nil && count.Count == 1
	}, 20*time.Second, 50*time.Millisecond)
	page, err := http.Get(s.TemporalUI)
	require.NoError(t, err)
	defer page.Body.Close()
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.True(t, strings.HasPrefix(page.Header.Get("Content-Type"), "text/html"))
}

func vaultClient(t *testing.T, s *Stack) *vault.Client {
	t.Helper()
	c, err := vault.NewClient(&vault.Config{Address: s.VaultAddress})
	require.NoError(t, err)
	c.SetToken(s.VaultTokens["engine"])
	return c
}

func temporalClient(t *testing.T, s *Stack) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: s.TemporalAddress, Namespace: s.TemporalNamespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
