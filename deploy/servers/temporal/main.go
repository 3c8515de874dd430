// Command temporal is a Temporal server (all four services) and its Web UI in
// one process on PostgreSQL, for the local stack. It reads its settings as
// JSON from standard input and prints one line of JSON, {"ready":true,…}, when
// clients can use the namespace with all its search attributes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"

	uiserver "github.com/temporalio/ui-server/v2/server"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const readyTimeout = 2 * time.Minute

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("gildway temporal-server %s (web UI %s)\n", headers.ServerVersion, moduleVersion("github.com/temporalio/ui-server/v2"))
		return
	}
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: temporal-server [--version]; settings are read as JSON from standard input")
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "temporal-server:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := readSettings(os.Stdin)
	if err != nil {
		return err
	}
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "error", Format: "console"}))
	if err := migrate(s, logger); err != nil {
		return err
	}
	ports, hosts, err := assignPorts(s)
	if err != nil {
		return err
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(s.server(ports)),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithDynamicConfigClient(dynamicConfig()),
		temporal.WithLogger(logger),
	)
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Stop()
	ui := newUI(s)
	go ui.Start() // ends the process when it can't listen
	defer ui.Stop()

	readyCtx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := prepare(readyCtx, s); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while starting
		}
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{
		"ready": true, "frontend": s.frontend(), "ui": "http://" + hostPort(s.IP, s.UIPort), "namespace": s.Namespace,
	}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func newUI(s settings) *uiserver.Server {
	return uiserver.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		Host:                s.IP,
		Port:                s.UIPort,
		TemporalGRPCAddress: s.frontend(),
		EnableUI:            true,
		DefaultNamespace:    s.Namespace,
		Codec:               uiconfig.Codec{Endpoint: s.CodecEndpoint},
		CORS:                uiconfig.CORS{CookieInsecure: true},
		DisableNewsFetch:    true,
		HideLogs:            true,
	}))
}

// assignPorts gives the frontend the port asked for and the services that only
// it talks to any free ones.
func assignPorts(s settings) (map[primitives.ServiceName]int, map[primitives.ServiceName]static.Hosts, error) {
	ports := map[primitives.ServiceName]int{primitives.FrontendService: s.GRPCPort}
	for _, name := range []primitives.ServiceName{primitives.HistoryService, primitives.MatchingService, primitives.WorkerService} {
		l, err := net.Listen("tcp", hostPort(s.IP, 0))
		if err != nil {
			return nil, nil, err
		}
		defer l.Close() // held until all are known, so that no two are the same
		ports[name] = l.Addr().(*net.TCPAddr).Port
	}
	hosts := make(map[primitives.ServiceName]static.Hosts, len(ports))
	for name, port := range ports {
		hosts[name] = static.SingleLocalHost(hostPort(s.IP, port))
	}
	return ports, hosts, nil
}

func hostPort(ip string, port int) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }

func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}
