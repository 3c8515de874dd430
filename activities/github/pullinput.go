package github

import (
	"cmp"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// PullRequestInput is the input of publish:github:pull-request: Backstage's schema, in its order, and its defaults.
type PullRequestInput struct {
	RepoURL             string   `json:"repoUrl" jsonschema_description:"Which repository: github.com?owner=acme-org&repo=my-service."`
	BranchName          string   `json:"branchName" jsonschema_description:"The branch to make."`
	FilesToDelete       []string `json:"filesToDelete,omitempty" jsonschema_description:"Files to delete in the repository, below targetPath."`
	TargetBranchName    string   `json:"targetBranchName,omitempty" jsonschema_description:"The branch to merge into. Default: the repository's."`
	Title               string   `json:"title"`
	Description         string   `json:"description"`
	Draft               bool     `json:"draft,omitempty"`
	SourcePath          string   `json:"sourcePath,omitempty" jsonschema_description:"Folder of the workspace to propose. Default: all of it."`
	TargetPath          string   `json:"targetPath,omitempty" jsonschema_description:"Folder of the repository to put it into. Default: its root."`
	Token               string   `json:"token,omitempty" jsonschema_description:"Credential to do all of this with, instead of the configured one: a secret. Undoing is done with the configured one."`
	Reviewers           []string `json:"reviewers,omitempty" jsonschema_description:"Users to ask for a review."`
	Assignees           []string `json:"assignees,omitempty"`
	TeamReviewers       []string `json:"teamReviewers,omitempty" jsonschema_description:"Teams to ask for a review."`
	CommitMessage       string   `json:"commitMessage,omitempty" jsonschema_description:"Default: the title."`
	Update              bool     `json:"update,omitempty" jsonschema_description:"Change the branch and its pull request if they are there."`
	ForceFork           bool     `json:"forceFork,omitempty" jsonschema_description:"Not supported."`
	GitAuthorName       string   `json:"gitAuthorName,omitempty"`
	GitAuthorEmail      string   `json:"gitAuthorEmail,omitempty"`
	ForceEmptyGitAuthor bool     `json:"forceEmptyGitAuthor,omitempty" jsonschema_description:"The owner of the credential is the author, whoever is configured."`
	CreateWhenEmpty     *bool    `json:"createWhenEmpty,omitempty" jsonschema:"default=true" jsonschema_description:"Also if nothing changes."`
}

// PullRequestOutput is the output of publish:github:pull-request.
type PullRequestOutput struct {
	TargetBranchName  string `json:"targetBranchName" jsonschema_description:"The branch that it would be merged into."`
	RemoteURL         string `json:"remoteUrl" jsonschema_description:"Where people see it."`
	PullRequestNumber int    `json:"pullRequestNumber" jsonschema:"type=number"`
}

func (in PullRequestInput) withDefaults() PullRequestInput {
	in.SourcePath = cmp.Or(in.SourcePath, ".")
	in.CommitMessage = cmp.Or(in.CommitMessage, in.Title)
	if in.CreateWhenEmpty == nil {
		yes := true
		in.CreateWhenEmpty = &yes
	}
	return in
}

func (p *Publisher) pullRequestAction() activities.Action {
	return activities.Define(activities.Spec[PullRequestInput, PullRequestOutput]{
		ID:          "publish:github:pull-request",
		Description: "Proposes the files of the workspace to a repository on GitHub, on a branch of their own.",
		Queue:       activities.GitHubQueue,
		Workspace:   plan.Reads,
		PathInputs:  []plan.PathInput{{Name: "sourcePath", Default: "."}},
		Examples: []plan.Example{{Description: "Propose a change", YAML: `steps:
  - id: propose
    name: Propose the change
    action: publish:github:pull-request
    input:
      repoUrl: github.com?owner=acme-org&repo=infrastructure
      branchName: add-${{ parameters.name }}
      title: Add ${{ parameters.name }}
      description: What ${{ parameters.name }} needs
      targetPath: services/${{ parameters.name }}
      teamReviewers: [platform-team]
`}},
		Do:      p.propose,
		Preview: p.previewPull,
		Foresee: p.foreseePull,
		Undo:    p.withdraw,
	})
}
