package config

import (
	"time"

	"github.com/gildway/gildway/internal/plan"
)

// Access says how what was granted is looked after.
type Access struct {
	CheckEvery   string `koanf:"checkEvery"`   // how often it is compared with what is at the providers; default 1d, 0s is never
	ReviewEvery  string `koanf:"reviewEvery"`  // how often owners confirm or revoke it; default 0s: never
	ReviewWithin string `koanf:"reviewWithin"` // how long they have; default 14d
}

// shortestRound keeps a provider from being asked all the time.
const shortestRound = 5 * time.Minute

func (a *Access) setDefaults() {
	setDefault(&a.CheckEvery, "1d")
	setDefault(&a.ReviewEvery, "0s")
	setDefault(&a.ReviewWithin, "14d")
}

func (a Access) check(need func(ok bool, key, why string)) {
	every, err := plan.ParseDuration(a.CheckEvery)
	need(err == nil && (every == 0 || every.Std() >= shortestRound), "access.checkEvery", "must be a duration of at least 5m, e.g. 1d, or 0s for never")
	reviews, err := plan.ParseDuration(a.ReviewEvery)
	need(err == nil && (reviews == 0 || reviews.Std() >= shortestRound), "access.reviewEvery", "must be a duration of at least 5m, e.g. 90d, or 0s for never")
	within, err := plan.ParseDuration(a.ReviewWithin)
	need(err == nil && within > 0 && (reviews == 0 || within <= reviews), "access.reviewWithin", "must be a duration, e.g. 14d, no longer than access.reviewEvery")
}

// Checks is how often what was granted is looked at; 0 is never.
func (a Access) Checks() time.Duration { return durationOf(a.CheckEvery) }

// Reviews is how often owners review what was granted, and how long they have; 0 is never.
func (a Access) Reviews() (every, within time.Duration) {
	return durationOf(a.ReviewEvery), durationOf(a.ReviewWithin)
}

func durationOf(s string) time.Duration {
	d, _ := plan.ParseDuration(s) // check has read it
	return d.Std()
}
