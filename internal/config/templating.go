package config

import "github.com/gildway/gildway/internal/secrets"

// DefaultEnvironment is what every template can read, as in Backstage: environment.parameters everywhere,
// environment.secrets where a run's own secrets are.
type DefaultEnvironment struct {
	Parameters map[string]string         `koanf:"parameters"`
	Secrets    map[string]secrets.Secret `koanf:"secrets"` // the worker only
}

// Templating says how expressions are read.
type Templating struct {
	// LegacyTyping reads values as Backstage did up to 4.0.2: what a step value renders to is read as JSON where it is
	// JSON, also if it was made by block tags.
	LegacyTyping bool `koanf:"legacyTyping"`
}
