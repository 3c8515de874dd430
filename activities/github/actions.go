package github

import (
	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// PublishInput is the input of publish:github, under Backstage's names and with its defaults.
type PublishInput struct {
	RepoURL          string   `json:"repoUrl" jsonschema:"minLength=1" jsonschema_description:"Where to publish: github.com?owner=acme-org&repo=my-service. The owner is an organization."`
	Description      string   `json:"description,omitempty" jsonschema:"maxLength=350"`
	Homepage         string   `json:"homepage,omitempty"`
	RepoVisibility   string   `json:"repoVisibility,omitempty" jsonschema:"enum=private,enum=public,enum=internal,default=private"`
	DefaultBranch    string   `json:"defaultBranch,omitempty" jsonschema:"default=main"`
	SourcePath       string   `json:"sourcePath,omitempty" jsonschema_description:"Folder of the workspace to publish. Default: all of it."`
	GitCommitMessage string   `json:"gitCommitMessage,omitempty" jsonschema:"default=initial commit"`
	GitAuthorName    string   `json:"gitAuthorName,omitempty"`
	GitAuthorEmail   string   `json:"gitAuthorEmail,omitempty"`
	Topics           []string `json:"topics,omitempty"`

	DeleteBranchOnMerge bool  `json:"deleteBranchOnMerge,omitempty"`
	AllowMergeCommit    *bool `json:"allowMergeCommit,omitempty" jsonschema:"default=true"`
	AllowSquashMerge    *bool `json:"allowSquashMerge,omitempty" jsonschema:"default=true"`
	AllowRebaseMerge    *bool `json:"allowRebaseMerge,omitempty" jsonschema:"default=true"`
	AllowAutoMerge      bool  `json:"allowAutoMerge,omitempty"`
	HasIssues           *bool `json:"hasIssues,omitempty"`
	HasProjects         *bool `json:"hasProjects,omitempty"`
	HasWiki             *bool `json:"hasWiki,omitempty"`

	ProtectDefaultBranch           *bool    `json:"protectDefaultBranch,omitempty" jsonschema:"default=true"`
	ProtectEnforceAdmins           *bool    `json:"protectEnforceAdmins,omitempty" jsonschema:"default=true"`
	RequiredApprovingReviewCount   *int     `json:"requiredApprovingReviewCount,omitempty" jsonschema:"minimum=0,maximum=6,default=1"`
	RequireCodeOwnerReviews        bool     `json:"requireCodeOwnerReviews,omitempty"`
	DismissStaleReviews            bool     `json:"dismissStaleReviews,omitempty"`
	RequireLastPushApproval        bool     `json:"requireLastPushApproval,omitempty"`
	RequiredStatusCheckContexts    []string `json:"requiredStatusCheckContexts,omitempty"`
	RequireBranchesToBeUpToDate    *bool    `json:"requireBranchesToBeUpToDate,omitempty" jsonschema:"default=true"`
	RequiredConversationResolution bool     `json:"requiredConversationResolution,omitempty"`
	RequiredLinearHistory          bool     `json:"requiredLinearHistory,omitempty"`
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
`}},
			Do:      p.publish,
			Preview: p.preview,
			Foresee: p.foresee,
			Undo:    p.unpublish,
		}),
	}
}
