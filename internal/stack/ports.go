package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

const loopback = "127.0.0.1"

// Ports of the stack, all on 127.0.0.1. API, Sandbox and SMTP are only reserved
// here: the caller's own children take them.
type Ports struct {
	API        int `json:"api"`
	Sandbox    int `json:"sandbox"`
	SMTP       int `json:"smtp"`
	Temporal   int `json:"temporal"`
	TemporalUI int `json:"temporalUI"`
	Vault      int `json:"vault"`
	Postgres   int `json:"postgres"`
	// vault's raft listener, always a free one
	vaultCluster int
}

// DefaultPorts are the ones that documentation and scripts name.
func DefaultPorts() Ports {
	return Ports{API: 7780, Sandbox: 7790, SMTP: 7725, Temporal: 7233, TemporalUI: 8233, Vault: 8200, Postgres: 7732}
}

type namedPort struct {
	name string
	port *int
}

func (p *Ports) all() []namedPort {
	return []namedPort{
		{"API", &p.API}, {"sandbox", &p.Sandbox}, {"SMTP", &p.SMTP}, {"Temporal", &p.Temporal}, {"Temporal UI", &p.TemporalUI},
		{"Vault", &p.Vault}, {"Postgres", &p.Postgres}, {"Vault cluster", &p.vaultCluster},
	}
}

// PortTakenError says that a port that was asked for belongs to another program.
type PortTakenError struct {
	Name string
	Port int
}

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("port %d (%s) is taken by another program: stop it, or use --ports auto", e.Port, e.Name)
}

// resolvePorts fills the zero fields of asked with the ports remembered in
// file where these are still free, else with free ones, and remembers them.
// A port that was asked for and is taken is a PortTakenError; all are reported.
func resolvePorts(asked Ports, file string) (Ports, error) {
	remembered := make(map[string]int)
	if text, err := os.ReadFile(file); err == nil {
		// An unreadable memory is as good as none: the ports are chosen anew.
		_ = json.Unmarshal(text, &remembered)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Ports{}, err
	}
	var held []net.Listener // until every port is known, so that no two are the same
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	take := func(port int) bool {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		held = append(held, l)
		return true
	}
	var taken []error
	for _, p := range asked.all() {
		if *p.port != 0 && !take(*p.port) {
			taken = append(taken, &PortTakenError{Name: p.name, Port: *p.port})
		}
	}
	if taken != nil {
		return Ports{}, errors.Join(taken...)
	}
	for _, p := range asked.all() {
		if *p.port != 0 {
			continue
		}
		if old := remembered[p.name]; old != 0 && take(old) {
			*p.port = old
			continue
		}
		for *p.port == 0 {
			// Below the range that the kernel gives to outgoing connections:
			// none of them can take the port while its server restarts.
			if port := 20000 + rand.IntN(12000); take(port) {
				*p.port = port
			}
		}
	}
	for _, p := range asked.all() {
		remembered[p.name] = *p.port
	}
	text, err := json.MarshalIndent(remembered, "", "  ")
	if err != nil {
		return Ports{}, err
	}
	return asked, WriteFile(file, append(text, '\n'))
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
