package github

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-github/v84/github"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// check finds what GitHub would refuse when the repository is there already.
func (in PublishInput) check(t target) error {
	if !validBranch(in.DefaultBranch) {
		return fault.New(fault.Invalid, "defaultBranch %q is not a branch name", in.DefaultBranch)
	}
	for _, names := range [][]string{sorted(in.RepoVariables), sorted(in.Secrets)} {
		for _, name := range names {
			if !variableName.MatchString(name) || strings.HasPrefix(strings.ToUpper(name), "GITHUB_") {
				return fault.New(fault.Invalid, "%q is no name for a variable or secret: letters, digits and _, not beginning with a digit or GITHUB_", name)
			}
		}
	}
	for _, name := range sorted(in.CustomProperties) {
		if strings.EqualFold(name, markProperty) {
			return fault.New(fault.Invalid, "the custom property %s is set by Gildway, which knows its own repositories by it", markProperty)
		}
	}
	if activities.StandsIn(in.Access) {
		return nil
	}
	_, err := in.admin(t)
	return err
}

// sorted gives the keys: each attempt goes through them in one order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (in PublishInput) withDefaults() PublishInput {
	orText := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	orTrue := func(b **bool) {
		if *b == nil {
			yes := true
			*b = &yes
		}
	}
	orText(&in.RepoVisibility, "private")
	orText(&in.DefaultBranch, "main")
	orText(&in.SourcePath, ".")
	orText(&in.GitCommitMessage, "initial commit")
	orText(&in.SquashMergeCommitTitle, "COMMIT_OR_PR_TITLE")
	orText(&in.SquashMergeCommitMessage, "COMMIT_MESSAGES")
	for _, b := range []**bool{
		&in.AllowMergeCommit, &in.AllowSquashMerge, &in.AllowRebaseMerge,
		&in.ProtectDefaultBranch, &in.ProtectEnforceAdmins, &in.RequireBranchesToBeUpToDate,
	} {
		orTrue(b)
	}
	if in.RequiredApprovingReviewCount == nil {
		one := 1
		in.RequiredApprovingReviewCount = &one
	}
	return in
}

func (in PublishInput) settings(name, mark string) *github.Repository {
	private := in.RepoVisibility != "public"
	properties := map[string]any{}
	maps.Copy(properties, in.CustomProperties)
	properties[markProperty] = mark
	return &github.Repository{
		Name: &name, Description: &in.Description, Homepage: &in.Homepage,
		Visibility: &in.RepoVisibility, Private: &private,
		DeleteBranchOnMerge: &in.DeleteBranchOnMerge,
		AllowMergeCommit:    in.AllowMergeCommit, AllowSquashMerge: in.AllowSquashMerge, AllowRebaseMerge: in.AllowRebaseMerge,
		AllowAutoMerge: &in.AllowAutoMerge, AllowUpdateBranch: &in.AllowUpdateBranch,
		SquashMergeCommitTitle: &in.SquashMergeCommitTitle, SquashMergeCommitMessage: &in.SquashMergeCommitMessage,
		HasIssues: in.HasIssues, HasProjects: in.HasProjects, HasWiki: in.HasWiki,
		CustomProperties: properties,
	}
}

func (in PublishInput) protection() *github.ProtectionRequest {
	rule := &github.ProtectionRequest{
		EnforceAdmins:                  *in.ProtectEnforceAdmins,
		RequiredConversationResolution: &in.RequiredConversationResolution,
		RequireLinearHistory:           &in.RequiredLinearHistory,
	}
	// Also when nobody has to approve: changes come through a pull request.
	rule.RequiredPullRequestReviews = &github.PullRequestReviewsEnforcementRequest{
		RequiredApprovingReviewCount: *in.RequiredApprovingReviewCount,
		RequireCodeOwnerReviews:      in.RequireCodeOwnerReviews,
		DismissStaleReviews:          in.DismissStaleReviews,
		RequireLastPushApproval:      &in.RequireLastPushApproval,
	}
	if by := in.BypassPullRequestAllowances; by != nil {
		rule.RequiredPullRequestReviews.BypassPullRequestAllowancesRequest = &github.BypassPullRequestAllowancesRequest{
			Users: given(by.Users), Teams: given(by.Teams), Apps: given(by.Apps),
		}
	}
	if to := in.Restrictions; to != nil {
		rule.Restrictions = &github.BranchRestrictionsRequest{Users: given(to.Users), Teams: given(to.Teams), Apps: given(to.Apps)}
	}
	contexts := given(in.RequiredStatusCheckContexts)
	rule.RequiredStatusChecks = &github.RequiredStatusChecks{Strict: *in.RequireBranchesToBeUpToDate, Contexts: &contexts}
	return rule
}

// given makes no list an empty one: GitHub takes no null.
func given(list []string) []string { return append([]string{}, list...) }
