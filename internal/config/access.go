package config

import (
	"time"

	"github.com/gildway/gildway/internal/plan"
)

// Access says how what was granted is looked after.
type Access struct {
	CheckEvery string `koanf:"checkEvery"` // how often it is compared with what is at the providers; default 1d, 0s is never
}

// shortestRound keeps a provider from being asked all the time.
const shortestRound = 5 * time.Minute

func (a *Access) setDefaults() { setDefault(&a.CheckEvery, "1d") }

func (a Access) check(need func(ok bool, key, why string)) {
	every, err := plan.ParseDuration(a.CheckEvery)
	need(err == nil && (every == 0 || every.Std() >= shortestRound), "access.checkEvery", "must be a duration of at least 5m, e.g. 1d, or 0s for never")
}

// Checks is how often what was granted is looked at; 0 is never.
func (a Access) Checks() time.Duration { return durationOf(a.CheckEvery) }

func durationOf(s string) time.Duration {
	d, _ := plan.ParseDuration(s) // check has read it
	return d.Std()
}
