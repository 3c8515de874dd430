package github

import (
	"github.com/invopop/jsonschema"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// PublishInput is the input of publish:github: Backstage's schema, in its order, and its defaults.
type PublishInput struct {
	RepoURL                        string            `json:"repoUrl" jsonschema_description:"Where to publish: github.com?owner=acme-org&repo=my-service. The owner is an organization."`
	Description                    string            `json:"description,omitempty"`
	Homepage                       string            `json:"homepage,omitempty"`
	Access                         string            `json:"access,omitempty" jsonschema_description:"Who gets admin access: a team as acme-org/my-team, or a user."`
	BypassPullRequestAllowances    *Allowances       `json:"bypassPullRequestAllowances,omitempty" jsonschema_description:"Who may push to the default branch without a pull request."`
	RequiredApprovingReviewCount   *int              `json:"requiredApprovingReviewCount,omitempty" jsonschema:"type=number,default=1" jsonschema_description:"0 to 6."`
	Restrictions                   *Restrictions     `json:"restrictions,omitempty" jsonschema_description:"Who alone may push to the default branch."`
	RequireCodeOwnerReviews        bool              `json:"requireCodeOwnerReviews,omitempty"`
	DismissStaleReviews            bool              `json:"dismissStaleReviews,omitempty"`
	RequiredStatusCheckContexts    []string          `json:"requiredStatusCheckContexts,omitempty"`
	RequireBranchesToBeUpToDate    *bool             `json:"requireBranchesToBeUpToDate,omitempty" jsonschema:"default=true"`
	RequiredConversationResolution bool              `json:"requiredConversationResolution,omitempty"`
	RequireLastPushApproval        bool              `json:"requireLastPushApproval,omitempty"`
	RepoVisibility                 string            `json:"repoVisibility,omitempty" jsonschema:"enum=private,enum=public,enum=internal,default=private"`
	DefaultBranch                  string            `json:"defaultBranch,omitempty" jsonschema:"default=main"`
	ProtectDefaultBranch           *bool             `json:"protectDefaultBranch,omitempty" jsonschema:"default=true"`
	ProtectEnforceAdmins           *bool             `json:"protectEnforceAdmins,omitempty" jsonschema:"default=true"`
	DeleteBranchOnMerge            bool              `json:"deleteBranchOnMerge,omitempty"`
	GitCommitMessage               string            `json:"gitCommitMessage,omitempty" jsonschema:"default=initial commit"`
	GitAuthorName                  string            `json:"gitAuthorName,omitempty"`
	GitAuthorEmail                 string            `json:"gitAuthorEmail,omitempty"`
	AllowMergeCommit               *bool             `json:"allowMergeCommit,omitempty" jsonschema:"default=true"`
	AllowSquashMerge               *bool             `json:"allowSquashMerge,omitempty" jsonschema:"default=true"`
	SquashMergeCommitTitle         string            `json:"squashMergeCommitTitle,omitempty" jsonschema:"enum=PR_TITLE,enum=COMMIT_OR_PR_TITLE,default=COMMIT_OR_PR_TITLE"`
	SquashMergeCommitMessage       string            `json:"squashMergeCommitMessage,omitempty" jsonschema:"enum=PR_BODY,enum=COMMIT_MESSAGES,enum=BLANK,default=COMMIT_MESSAGES"`
	AllowRebaseMerge               *bool             `json:"allowRebaseMerge,omitempty" jsonschema:"default=true"`
	AllowAutoMerge                 bool              `json:"allowAutoMerge,omitempty"`
	AllowUpdateBranch              bool              `json:"allowUpdateBranch,omitempty"`
	SourcePath                     string            `json:"sourcePath,omitempty" jsonschema_description:"Folder of the workspace to publish. Default: all of it."`
	Collaborators                  []Collaborator    `json:"collaborators,omitempty" jsonschema_description:"Who gets what access. What can't be given is a line of the log."`
	HasProjects                    *bool             `json:"hasProjects,omitempty"`
	HasWiki                        *bool             `json:"hasWiki,omitempty"`
	HasIssues                      *bool             `json:"hasIssues,omitempty"`
	Token                          string            `json:"token,omitempty" jsonschema_description:"Credential to do all of this with, instead of the configured one: a secret. Undoing is done with the configured one."`
	Topics                         []string          `json:"topics,omitempty"`
	RepoVariables                  map[string]string `json:"repoVariables,omitempty" jsonschema_description:"Variables of the repository's workflows."`
	Secrets                        map[string]string `json:"secrets,omitempty" jsonschema_description:"Secrets of the repository's workflows."`
	OIDCCustomization              *OIDCSubject      `json:"oidcCustomization,omitempty" jsonschema_description:"How the repository's workflows name themselves in their OIDC tokens."`
	RequiredCommitSigning          bool              `json:"requiredCommitSigning,omitempty"`
	RequiredLinearHistory          bool              `json:"requiredLinearHistory,omitempty"`
	CustomProperties               Properties        `json:"customProperties,omitempty" jsonschema_description:"Values of custom properties that the organization defines."`
	Subscribe                      bool              `json:"subscribe,omitempty" jsonschema_description:"Have the owner of the credential watch the repository."`
}

// Allowances are users, teams and apps by name.
type Allowances struct {
	Apps  []string `json:"apps,omitempty"`
	Users []string `json:"users,omitempty"`
	Teams []string `json:"teams,omitempty"`
}

// Restrictions are Allowances of which users and teams are always given.
type Restrictions struct {
	Apps  []string `json:"apps,omitempty"`
	Users []string `json:"users"`
	Teams []string `json:"teams"`
}

// OIDCSubject says what the subject of a workflow's OIDC token is made of.
type OIDCSubject struct {
	UseDefault       *bool    `json:"useDefault,omitempty" jsonschema:"default=true"`
	IncludeClaimKeys []string `json:"includeClaimKeys,omitempty"`
}

// Collaborator is a user or a team of the organization, by name or entity ref.
type Collaborator struct {
	User   string `json:"user"`
	Team   string `json:"team"`
	Access string `json:"access"`
}

// JSONSchema implements jsonschema's customization.
func (Collaborator) JSONSchema() *jsonschema.Schema {
	with := func(who string) *jsonschema.Schema {
		properties := jsonschema.NewProperties()
		properties.Set("access", &jsonschema.Schema{Type: "string", Description: "pull, triage, push, maintain or admin."})
		properties.Set(who, &jsonschema.Schema{Type: "string"})
		return &jsonschema.Schema{
			Type: "object", Properties: properties, Required: []string{"access", who}, AdditionalProperties: jsonschema.FalseSchema,
		}
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{with("user"), with("team")}}
}

// Properties are values of custom properties: texts and lists of texts.
type Properties map[string]any

// JSONSchema implements jsonschema's customization.
func (Properties) JSONSchema() *jsonschema.Schema {
	text := &jsonschema.Schema{Type: "string"}
	return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{
		AnyOf: []*jsonschema.Schema{text, {Type: "array", Items: text}},
	}}
}

// PublishOutput is the output of publish:github.
type PublishOutput struct {
	RemoteURL       string `json:"remoteUrl" jsonschema_description:"What git clones."`
	RepoContentsURL string `json:"repoContentsUrl" jsonschema_description:"Where the files can be seen."`
	CommitHash      string `json:"commitHash"`
}

// Actions declares what a template can do with GitHub.
func (p *Publisher) Actions() []activities.Action {
	return []activities.Action{
		activities.Define(activities.Spec[PublishInput, PublishOutput]{
			ID: "publish:github",
			Description: "Creates a repository on GitHub and pushes the workspace to it. " +
				"The organization must define the custom property gildway-run, by which Gildway knows its own repositories.",
			Queue:      activities.GitHubQueue,
			Workspace:  plan.Reads,
			PathInputs: []plan.PathInput{{Name: "sourcePath", Default: "."}},
			Examples: []plan.Example{{Description: "Publish a new service", YAML: `steps:
  - id: publish
    name: Publish to GitHub
    action: publish:github
    input:
      repoUrl: github.com?owner=acme-org&repo=${{ parameters.name }}
      description: ${{ parameters.description }}
      defaultBranch: main
`}, {Description: "Publish as whoever asks for it, for a team, with a secret for its workflows", YAML: `steps:
  - id: publish
    name: Publish to GitHub
    action: publish:github
    input:
      repoUrl: github.com?owner=acme-org&repo=${{ parameters.name }}
      token: ${{ secrets.USER_OAUTH_TOKEN }}
      access: acme-org/payments-team
      collaborators:
        - team: group:default/audit
          access: pull
      repoVariables:
        REGION: eu
      secrets:
        NPM_TOKEN: ${{ secrets.NPM_TOKEN }}
`}},
			Do:      p.publish,
			Valid:   PublishInput.valid,
			Preview: p.preview,
			Foresee: p.foresee,
			Undo:    p.unpublish,
		}),
		p.pullRequestAction(),
	}
}
