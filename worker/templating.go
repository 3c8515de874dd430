package worker

import (
	"log/slog"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/config"
)

// RunOptions are what a configuration says of how steps are evaluated and run. Where their files, secrets and events
// are kept is the caller's to add.
func RunOptions(c config.Config, registry *activities.Registry, logger *slog.Logger) run.Options {
	return run.Options{
		Registry: registry,
		Environment: run.Environment{
			Parameters: c.DefaultEnvironment.Parameters, Secrets: c.DefaultEnvironment.Secrets,
		},
		Hosts:        c.Hosts(),
		LegacyTyping: c.Templating.LegacyTyping,
		Tickets:      c.ITSM.URL != "",
		Log:          logger,
	}
}
