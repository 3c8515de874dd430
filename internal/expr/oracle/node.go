package oracle

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed nunjitsu/node.js
var node string

// ErrNoNode says that this machine has no Node.
var ErrNoNode = errors.New("there is no node on the PATH")

// Process is a Node process that runs a script over the bundle and the driver, and answers lines with lines.
type Process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	script  string
}

// Start runs a script in Node; it ends with ctx. The error is ErrNoNode where there is none.
func Start(ctx context.Context, script string) (*Process, error) {
	path, err := exec.LookPath("node")
	if err != nil {
		return nil, ErrNoNode
	}
	dir, err := os.MkdirTemp("", "gildway-oracle-")
	if err != nil {
		return nil, err
	}
	p := &Process{script: filepath.Join(dir, "oracle.js")}
	if err := os.WriteFile(p.script, []byte(bundle+"\n"+driver+"\n"+script), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p.command = exec.CommandContext(ctx, path, p.script)
	p.command.Stderr = os.Stderr
	p.in, err = p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	return p, p.command.Start()
}

// Ask sends a line of JSON, and reads one into answer unless that is nil.
func (p *Process) Ask(question, answer any) error {
	line, err := json.Marshal(question)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil || answer == nil {
		return err
	}
	reply, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading node's answer: %w", err)
	}
	return json.Unmarshal(reply, answer)
}

// Close ends the process.
func (p *Process) Close() error {
	return errors.Join(p.in.Close(), p.command.Wait(), os.RemoveAll(filepath.Dir(p.script)))
}

type inNode struct{ *Process }

// InNode is the engine in a Node process, many times faster than the embedded one. The error is ErrNoNode where there is
// none.
func InNode(ctx context.Context, world World) (Engine, error) {
	p, err := Start(ctx, node)
	if err != nil {
		return nil, err
	}
	return inNode{p}, p.Ask(world, nil)
}

func (n inNode) Answers(_ context.Context, cases []Case) ([]Answer, error) {
	var out []Answer
	if err := n.Ask(cases, &out); err != nil {
		return nil, err
	}
	if len(out) != len(cases) {
		return nil, fmt.Errorf("%d answers to %d cases", len(out), len(cases))
	}
	return out, nil
}
