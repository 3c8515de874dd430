package stack

import (
	"encoding/json"
)

const temporalNamespace = "default"

// startTemporal runs the server of deploy/servers/temporal, which says ready
// only when the namespace and its search attributes can be used.
func (s *Stack) startTemporal(binary string, db database, o Options) error {
	login, err := db.login()
	if err != nil {
		return err
	}
	codec := ""
	if o.CodecEndpoint != nil {
		codec = o.CodecEndpoint(s.Ports)
	}
	settings, err := json.Marshal(map[string]any{
		"postgres": map[string]string{
			"address": login.address, "user": login.user, "password": login.password,
			"database": db.name() + "_temporal", "visibilityDatabase": db.name() + "_temporal_visibility",
			"adminDatabase": adminDatabase,
		},
		"ip": loopback, "grpcPort": s.Ports.Temporal, "uiPort": s.Ports.TemporalUI,
		"namespace": temporalNamespace, "retentionDays": 30,
		"searchAttributes": o.SearchAttributes, "codecEndpoint": codec,
	})
	if err != nil {
		return err
	}
	s.TemporalAddress, s.TemporalNamespace = address(s.Ports.Temporal), temporalNamespace
	s.TemporalUI = "http://" + address(s.Ports.TemporalUI)
	_, err = s.Run("temporal", Command{
		Path: binary, Stdin: settings, readyOutput: `{`,
	})
	return err
}
