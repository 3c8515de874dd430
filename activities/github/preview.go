package github

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// preview says what publish would do. It builds the commit, so that a workspace that can't be published shows now.
func (p *Publisher) preview(_ context.Context, call *activities.Call, in PublishInput) (preview activities.Preview[PublishOutput], err error) {
	in = in.withDefaults()
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return preview, err
	}
	if !validBranch(in.DefaultBranch) {
		return preview, fault.New(fault.Invalid, "defaultBranch %q is not a branch name", in.DefaultBranch)
	}
	made, err := commitFiles(call.Files, in.SourcePath, author{name: "preview", email: "preview", when: time.Unix(0, 0)}, in.GitCommitMessage)
	if err != nil {
		return preview, err
	}
	page := "https://" + t.host + "/" + t.String()
	preview.Would = []string{
		fmt.Sprintf("create the %s repository %s", in.RepoVisibility, page),
		fmt.Sprintf("push the workspace to its branch %s", in.DefaultBranch),
	}
	if len(in.Topics) > 0 {
		preview.Would = append(preview.Would, "set its topics to "+strings.ToLower(strings.Join(in.Topics, ", ")))
	}
	if *in.ProtectDefaultBranch {
		preview.Would = append(preview.Would, fmt.Sprintf("protect the branch, with %d approving reviews required", *in.RequiredApprovingReviewCount))
	}
	preview.Output = PublishOutput{
		RemoteURL: page + ".git", RepoContentsURL: page + "/blob/" + in.DefaultBranch, CommitHash: made.hash.String(),
	}
	return preview, nil
}

// foresee sees whether the name is taken.
func (p *Publisher) foresee(ctx context.Context, _ *activities.Call, in PublishInput) ([]string, error) {
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return nil, err
	}
	s, err := p.session(t)
	if err != nil {
		return nil, err
	}
	repo, err := s.get(ctx)
	if err != nil || repo == nil {
		return nil, err
	}
	return nil, s.taken()
}
