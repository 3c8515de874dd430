package worker

import (
	"context"
	"io/fs"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/child"
	"github.com/gildway/gildway/activities/debug"
	"github.com/gildway/gildway/activities/fetch"
	files "github.com/gildway/gildway/activities/fs"
	"github.com/gildway/gildway/activities/github"
	"github.com/gildway/gildway/activities/itsm"
	"github.com/gildway/gildway/activities/okta"
	"github.com/gildway/gildway/activities/toolchain"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/secrets"
)

// Registry holds every action of Gildway, bound to the providers of a configuration. Nothing is
// connected to before an action runs: with the zero configuration the registry is good for compiling
// templates. golden is what golden:// URLs are read from.
func Registry(c config.Config, golden fs.FS) *activities.Registry {
	return RegistryOf(c, golden, nil, nil)
}

// RegistryOf is Registry where the files of template versions are kept and, of a worker, tasks can be rolled back.
func RegistryOf(c config.Config, golden fs.FS, kept *fetch.Kept, rollbacks child.Rollbacks) *activities.Registry {
	directory := Directory(c)
	groups := okta.New(okta.Config{URL: c.Okta.URL, Token: c.Okta.Token}, directory)
	keys := vault.New(vaultConfig(c))
	desk := itsm.New(itsm.Config{URL: c.ITSM.URL, Username: c.ITSM.User, Password: c.ITSM.Password, Table: c.ITSM.Table}, directory)
	var all []activities.Action
	for _, some := range [][]activities.Action{
		{debug.Log(), debug.Wait()},
		files.Actions(),
		fetch.Actions(fetch.Options{Golden: golden, Kept: kept, Sources: Sources(c)}),
		approval.Actions(),
		directory.Actions(),
		github.New(github.Config{Hosts: gitHubs(c)}).Actions(),
		groups.Actions(),
		keys.Actions(),
		desk.Actions(),
		toolchain.New(directory, groups, keys).Actions(),
		child.Actions(child.Config{Rollbacks: rollbacks, PublicURL: strings.TrimSuffix(c.PublicURL, "/")}),
	} {
		all = append(all, some...)
	}
	return activities.NewRegistry(all...)
}

func gitHubs(c config.Config) map[string]github.Host {
	hosts := map[string]github.Host{}
	for _, h := range c.GitHub {
		hosts[h.Host] = github.Host{APIBaseURL: h.APIBaseURL, Token: h.Token}
	}
	return hosts
}

// Suggester tells what somebody sees on the configured GitHubs.
func Suggester(c config.Config) *github.Suggester { return github.NewSuggester(gitHubs(c)) }

// Directory is the configured catalog, which also knows who is in which group.
func Directory(c config.Config) *catalog.Client {
	return catalog.New(catalog.Config{URL: c.Catalog.URL, Token: c.Catalog.Token})
}

// Handover takes minted keys out of Vault for their requesters.
func Handover(c config.Config) *vault.Handover { return vault.NewHandover(vaultConfig(c)) }

// TaskSecrets keeps the secrets of runs.
func TaskSecrets(c config.Config) *vault.TaskSecrets { return vault.NewTaskSecrets(vaultConfig(c)) }

// VaultField reads what the configuration refers to instead of holding it.
func VaultField(ctx context.Context, c config.Config) func(mount, path, field string) (secrets.Secret, error) {
	return func(mount, path, field string) (secrets.Secret, error) {
		return vault.Field(ctx, vaultConfig(c), mount, path, field)
	}
}

func vaultConfig(c config.Config) vault.Config {
	return vault.Config{Address: c.Vault.Address, Token: c.Vault.Token, Mount: c.Vault.Mount, HandoverMount: c.Vault.HandoverMount}
}

// Sources are the hosts that templates, and their files, may be read from.
func Sources(c config.Config) *fetch.Sources {
	var integrations []fetch.Integration
	for _, i := range c.Integrations() {
		integrations = append(integrations, fetch.Integration(i))
	}
	var allow []fetch.Allowed
	for _, a := range c.Reading.Allow {
		allow = append(allow, fetch.Allowed(a))
	}
	return fetch.NewSources(integrations, allow)
}
