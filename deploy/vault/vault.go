// Package vault holds the access that Gildway needs in Vault, as data, so that the local stack and
// production grant the same.
package vault

import _ "embed"

//go:embed gildway-worker.hcl
var workerPolicy string

//go:embed gildway-api.hcl
var apiPolicy string

// Names of the policies.
const (
	WorkerPolicyName = "gildway-worker"
	APIPolicyName    = "gildway-api"
)

// Mounts are the KV version 2 mounts that the policies speak of.
func Mounts() []string { return []string{"team-keys", "gildway-handover", "gildway-secrets"} }

// Policies gives the text of each policy, in HCL, by its name.
func Policies() map[string]string {
	return map[string]string{WorkerPolicyName: workerPolicy, APIPolicyName: apiPolicy}
}
