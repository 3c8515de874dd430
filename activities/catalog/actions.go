package catalog

import (
	"encoding/json"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// RegisterInput is the input of catalog:register. It takes one of two forms, as in Backstage.
type RegisterInput struct {
	CatalogInfoURL  string `json:"catalogInfoUrl,omitempty" jsonschema:"oneof_required=catalogInfoUrl" jsonschema_description:"URL of the catalog-info.yaml."`
	RepoContentsURL string `json:"repoContentsUrl,omitempty" jsonschema:"oneof_required=repoContentsUrl" jsonschema_description:"URL of the repository's contents, as publish:github gives it."`
	CatalogInfoPath string `json:"catalogInfoPath,omitempty" jsonschema:"default=/catalog-info.yaml" jsonschema_description:"Path of the file below repoContentsUrl."`
	Optional        bool   `json:"optional,omitempty" jsonschema_description:"Go on if the location can't be registered."`
}

// RegisterOutput is the output of catalog:register.
type RegisterOutput struct {
	EntityRef      string `json:"entityRef,omitempty" jsonschema_description:"The registered component, or the first entity if there is none."`
	CatalogInfoURL string `json:"catalogInfoUrl"`
}

// FetchInput is the input of catalog:fetch.
type FetchInput struct {
	EntityRef        string   `json:"entityRef,omitempty"`
	EntityRefs       []string `json:"entityRefs,omitempty"`
	Optional         bool     `json:"optional,omitempty" jsonschema_description:"A missing entity gives null instead of an error."`
	DefaultKind      string   `json:"defaultKind,omitempty"`
	DefaultNamespace string   `json:"defaultNamespace,omitempty"`
}

// FetchOutput is the output of catalog:fetch.
type FetchOutput struct {
	Entity   json.RawMessage   `json:"entity,omitempty" jsonschema_description:"The entity of entityRef; null if it is missing and optional."`
	Entities []json.RawMessage `json:"entities,omitzero" jsonschema_description:"The entities of entityRefs in their order, with null for what is missing."`
}

// WriteInput is the input of catalog:write.
type WriteInput struct {
	FilePath *string         `json:"filePath,omitempty" jsonschema:"default=catalog-info.yaml" jsonschema_description:"Where to write it in the workspace."`
	Entity   json.RawMessage `json:"entity" jsonschema:"type=object" jsonschema_description:"The entity."`
}

// WriteOutput is the output of catalog:write: nothing.
type WriteOutput struct{}

// Actions declares what a template can do with the catalog.
func (c *Client) Actions() []activities.Action {
	return []activities.Action{
		activities.Define(activities.Spec[RegisterInput, RegisterOutput]{
			ID:          "catalog:register",
			Description: "Registers entities from a catalog descriptor file in the software catalog.",
			Queue:       activities.CatalogQueue,
			Examples: []plan.Example{{Description: "Register what was just published", YAML: `steps:
  - id: register
    name: Register in Catalog
    action: catalog:register
    input:
      repoContentsUrl: ${{ steps.publish.output.repoContentsUrl }}
      catalogInfoPath: /catalog-info.yaml
`}},
			Do:      c.register,
			Valid:   RegisterInput.valid,
			Preview: previewRegister,
			Foresee: c.foreseeRegister,
			Undo:    c.unregister,
		}),
		activities.Define(activities.Spec[FetchInput, FetchOutput]{
			ID:          "catalog:fetch",
			Description: "Reads one or more entities from the software catalog.",
			Queue:       activities.CatalogQueue,
			Examples: []plan.Example{{Description: "Read the model that access is asked for", YAML: `steps:
  - id: model
    name: Read the model
    action: catalog:fetch
    input:
      entityRef: aimodel:default/acme-llm-gateway
`}},
			WhyNoUndo: "It only reads.",
			RunsDry:   true,
			Do:        c.fetch,
			Valid:     FetchInput.valid,
		}),
		activities.Define(activities.Spec[WriteInput, WriteOutput]{
			ID:          "catalog:write",
			Description: "Writes a catalog descriptor file into the workspace.",
			Workspace:   plan.Writes,
			PathInputs:  []plan.PathInput{{Name: "filePath", Default: defaultFile}},
			Local:       true,
			RunsDry:     true,
			Examples: []plan.Example{{Description: "Write a component", YAML: `steps:
  - id: describe
    name: Write catalog-info.yaml
    action: catalog:write
    input:
      entity:
        apiVersion: backstage.io/v1alpha1
        kind: Component
        metadata:
          name: ${{ parameters.name }}
        spec:
          type: service
          lifecycle: production
          owner: ${{ parameters.owner }}
`}},
			Do: write,
			Valid: func(in WriteInput) error {
				if in.FilePath == nil {
					return nil
				}
				return activities.CheckPath("filePath", *in.FilePath)
			},
		}),
	}
}
