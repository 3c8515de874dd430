// Package vault holds the access that Gildway needs in Vault, as data, so that the local stack and
// production grant the same.
package vault

import _ "embed"

// WorkerPolicy is the policy gildway-worker, in HCL.
//
//go:embed gildway-worker.hcl
var WorkerPolicy string

// APIPolicy is the policy gildway-api, in HCL.
//
//go:embed gildway-api.hcl
var APIPolicy string

// Names of the policies.
const (
	WorkerPolicyName = "gildway-worker"
	APIPolicyName    = "gildway-api"
)

// Mounts are the KV version 2 mounts that the policies speak of.
func Mounts() []string { return []string{"team-keys", "gildway-handover"} }

// Policies gives the text of each policy by its name.
func Policies() map[string]string {
	return map[string]string{WorkerPolicyName: WorkerPolicy, APIPolicyName: APIPolicy}
}
