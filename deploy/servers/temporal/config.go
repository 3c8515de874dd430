package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/primitives"
)

const (
	clusterName = "active"
	// clusterID stays the same for the life of a database.
	clusterID = "6d1c6f0e-9d0b-4b62-8f2a-3f0f6a5b7c11"
	// historyShards can't change for the life of a database. Four share the
	// per-shard poll limits well on a small machine.
	historyShards = 4
	// namespaceRefresh is how long a service may go on without knowing a new
	// namespace or search attribute.
	namespaceRefresh = 500 * time.Millisecond

	defaultStore    = "default"
	visibilityStore = "visibility"
)

// settings is what the caller sends as one JSON document on standard input,
// so that the password is in no argument list.
type settings struct {
	Postgres struct {
		Address            string `json:"address"` // host:port
		User               string `json:"user"`
		Password           string `json:"password"`
		Database           string `json:"database"`
		VisibilityDatabase string `json:"visibilityDatabase"`
		AdminDatabase      string `json:"adminDatabase"` // connected to while the two are created
	} `json:"postgres"`
	IP               string            `json:"ip"`
	GRPCPort         int               `json:"grpcPort"`
	UIPort           int               `json:"uiPort"`
	Namespace        string            `json:"namespace"`
	RetentionDays    int               `json:"retentionDays"`
	SearchAttributes map[string]string `json:"searchAttributes"` // name → type, e.g. Keyword
	CodecEndpoint    string            `json:"codecEndpoint"`
}

func readSettings(r io.Reader) (settings, error) {
	s := settings{IP: "127.0.0.1", GRPCPort: 7233, UIPort: 8233, Namespace: "default", RetentionDays: 30}
	s.Postgres.Database, s.Postgres.VisibilityDatabase, s.Postgres.AdminDatabase = "temporal", "temporal_visibility", "postgres"
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("settings on standard input: %w", err)
	}
	if s.Postgres.Address == "" || s.Postgres.User == "" {
		return s, errors.New("settings on standard input: postgres.address and postgres.user are needed")
	}
	if net.ParseIP(s.IP) == nil {
		return s, fmt.Errorf("settings on standard input: ip %q is not an IP address", s.IP)
	}
	_, err := s.attributeTypes()
	return s, err
}

// attributeTypes turns the type names (Keyword, KeywordList, Int, …) into Temporal's.
func (s settings) attributeTypes() (map[string]enumspb.IndexedValueType, error) {
	types := make(map[string]enumspb.IndexedValueType, len(s.SearchAttributes))
	for name, typeName := range s.SearchAttributes {
		t, err := enumspb.IndexedValueTypeFromString(strings.TrimSpace(typeName))
		if err != nil || t == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			return nil, fmt.Errorf("search attribute %s: unknown type %q", name, typeName)
		}
		types[name] = t
	}
	return types, nil
}

func (s settings) frontend() string { return hostPort(s.IP, s.GRPCPort) }

func (s settings) sql(database string, conns int) *config.SQL {
	return &config.SQL{
		PluginName:      postgresql.PluginNamePGX,
		ConnectAddr:     s.Postgres.Address,
		ConnectProtocol: "tcp",
		User:            s.Postgres.User,
		Password:        s.Postgres.Password,
		DatabaseName:    database,
		MaxConns:        conns,
		MaxIdleConns:    conns,
		MaxConnLifetime: time.Hour,
	}
}

// server is the configuration of the four services; each opens its own
// connections, hence the modest numbers.
func (s settings) server(ports map[primitives.ServiceName]int) *config.Config {
	services := make(map[string]config.Service, len(ports))
	for name, port := range ports {
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: s.IP}}
	}
	cfg := &config.Config{
		Services: services,
		Persistence: config.Persistence{
			DefaultStore:     defaultStore,
			VisibilityStore:  visibilityStore,
			NumHistoryShards: historyShards,
			DataStores: map[string]config.DataStore{
				defaultStore:    {SQL: s.sql(s.Postgres.Database, 16)},
				visibilityStore: {SQL: s.sql(s.Postgres.VisibilityDatabase, 8)},
			},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: s.frontend(), ClusterID: clusterID},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		PublicClient:        config.PublicClient{HostPort: s.frontend()},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
	}
	cfg.Global.Membership.BroadcastAddress = s.IP
	cfg.Global.Membership.MaxJoinDuration = 30 * time.Second
	return cfg
}

// dynamicConfig holds the settings that measurements on small machines speak
// for: the default poll limit of 20/s a shard costs 40 ms a workflow task.
func dynamicConfig() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		dynamicconfig.MakeKey("history.transferProcessorMaxPollRPS"):  500,
		dynamicconfig.MakeKey("history.timerProcessorMaxPollRPS"):     500,
		dynamicconfig.MakeKey("matching.numTaskqueueReadPartitions"):  1,
		dynamicconfig.MakeKey("matching.numTaskqueueWritePartitions"): 1,
		dynamicconfig.MakeKey("system.namespaceCacheRefreshInterval"): namespaceRefresh,
		dynamicconfig.MakeKey("system.enableActivityEagerExecution"):  true,
		dynamicconfig.MakeKey("system.enableEagerWorkflowStart"):      true,
	}
}
