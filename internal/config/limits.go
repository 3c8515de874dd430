package config

import (
	"fmt"

	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// Limits bound what may be asked of an installation, so that nobody's mistake keeps everybody waiting. In all of them
// 0 is the default, and -1 no limit.
type Limits struct {
	Users     Quota      `koanf:"users"`     // of each requester; default 500 tasks at once, 300 a minute
	Teams     Quota      `koanf:"teams"`     // of each group's members together; default 5000 and 1500
	Templates Quota      `koanf:"templates"` // of each template; default 5000 and 1500
	For       []QuotaFor `koanf:"for"`       // for some of them, instead
	DryRuns   DryRuns    `koanf:"dryRuns"`
	Schedules Schedules  `koanf:"schedules"`
}

// Quota is what somebody may ask for.
type Quota struct {
	Running   int `koanf:"running"`   // tasks that have not ended
	PerMinute int `koanf:"perMinute"` // submissions and retries; as many at once after a quiet minute
}

// QuotaFor is the quota of one requester, group or template. What it leaves out is that of its kind.
type QuotaFor struct {
	Ref       string `koanf:"ref"` // e.g. group:default/everybody
	Running   int    `koanf:"running"`
	PerMinute int    `koanf:"perMinute"`
}

// DryRuns bound what is tried at the same time. A dry run uses the API's own processor.
type DryRuns struct {
	AtOnce  int `koanf:"atOnce"`  // on one replica; default 8
	PerUser int `koanf:"perUser"` // of one requester on one replica; default 3
}

// Schedules bound what runs by itself.
type Schedules struct {
	PerUser int `koanf:"perUser"` // of one owner; default 50
}

// Most is how many schedules one owner may have, as the store counts: there, 0 is no limit.
func (s Schedules) Most() int { return max(s.PerUser, 0) }

// Quotas are all that a submission of a template must fit into. Teams are the requester's groups.
func (l Limits) Quotas(requester string, teams []string, template string) []store.Quota {
	quotas := []store.Quota{l.quota(store.OfRequester, requester, l.Users), l.quota(store.OfTemplate, template, l.Templates)}
	for _, team := range teams {
		quotas = append(quotas, l.quota(store.OfTeam, team, l.Teams))
	}
	return quotas
}

func (l Limits) quota(of store.QuotaOf, ref string, q Quota) store.Quota {
	for _, f := range l.For {
		if f.Ref == ref {
			setLimit(&f.Running, q.Running)
			setLimit(&f.PerMinute, q.PerMinute)
			q = Quota{f.Running, f.PerMinute}
		}
	}
	return store.Quota{Of: of, Ref: ref, Running: max(q.Running, 0), PerMinute: max(q.PerMinute, 0)} // there, 0 is no limit
}

func (l *Limits) setDefaults() {
	setLimit(&l.Users.Running, 500)
	setLimit(&l.Users.PerMinute, 300)
	for _, q := range []*Quota{&l.Teams, &l.Templates} {
		setLimit(&q.Running, 5000)
		setLimit(&q.PerMinute, 1500)
	}
	setLimit(&l.DryRuns.AtOnce, 8)
	setLimit(&l.DryRuns.PerUser, 3)
	setLimit(&l.Schedules.PerUser, 50)
}

func setLimit(n *int, v int) {
	if *n == 0 {
		*n = v
	}
}

func (l Limits) check(need func(ok bool, key, why string)) {
	bound := func(key string, n int) { need(n >= -1, key, "must be a number of at least 1, or -1 for no limit") }
	quota := func(key string, q Quota) {
		bound(key+".running", q.Running)
		bound(key+".perMinute", q.PerMinute)
	}
	quota("limits.users", l.Users)
	quota("limits.teams", l.Teams)
	quota("limits.templates", l.Templates)
	seen := map[string]bool{}
	for i, f := range l.For {
		key := fmt.Sprintf("limits.for[%d]", i)
		ref, err := plan.ParseEntityRef(f.Ref, "")
		need(err == nil && ref.String() == f.Ref, key+".ref", "must be a whole ref in small letters, e.g. group:default/everybody")
		need(!seen[f.Ref], key+".ref", "is there twice")
		seen[f.Ref] = true
		quota(key, Quota{f.Running, f.PerMinute})
	}
	bound("limits.dryRuns.atOnce", l.DryRuns.AtOnce)
	bound("limits.dryRuns.perUser", l.DryRuns.PerUser)
	bound("limits.schedules.perUser", l.Schedules.PerUser)
}
