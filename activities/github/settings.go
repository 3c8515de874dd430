package github

import "github.com/google/go-github/v84/github"

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
	return &github.Repository{
		Name: &name, Description: &in.Description, Homepage: &in.Homepage,
		Visibility: &in.RepoVisibility, Private: &private,
		DeleteBranchOnMerge: &in.DeleteBranchOnMerge,
		AllowMergeCommit:    in.AllowMergeCommit, AllowSquashMerge: in.AllowSquashMerge, AllowRebaseMerge: in.AllowRebaseMerge,
		AllowAutoMerge: &in.AllowAutoMerge,
		HasIssues:      in.HasIssues, HasProjects: in.HasProjects, HasWiki: in.HasWiki,
		CustomProperties: map[string]any{markProperty: mark},
	}
}

func (in PublishInput) protection() *github.ProtectionRequest {
	rule := &github.ProtectionRequest{
		EnforceAdmins:                  *in.ProtectEnforceAdmins,
		RequiredConversationResolution: &in.RequiredConversationResolution,
		RequireLinearHistory:           &in.RequiredLinearHistory,
	}
	if *in.RequiredApprovingReviewCount > 0 || in.RequireCodeOwnerReviews {
		rule.RequiredPullRequestReviews = &github.PullRequestReviewsEnforcementRequest{
			RequiredApprovingReviewCount: *in.RequiredApprovingReviewCount,
			RequireCodeOwnerReviews:      in.RequireCodeOwnerReviews,
			DismissStaleReviews:          in.DismissStaleReviews,
			RequireLastPushApproval:      &in.RequireLastPushApproval,
		}
	}
	contexts := in.RequiredStatusCheckContexts
	if contexts == nil {
		contexts = []string{}
	}
	rule.RequiredStatusChecks = &github.RequiredStatusChecks{Strict: *in.RequireBranchesToBeUpToDate, Contexts: &contexts}
	return rule
}
