package github

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
)

// preview says what publish would do. It builds the commit, so that a workspace that can't be published shows now.
func (p *Publisher) preview(_ context.Context, call *activities.Call, in PublishInput) (preview activities.Preview[PublishOutput], err error) {
	in = in.withDefaults()
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return preview, err
	}
	if err := in.check(t); err != nil {
		return preview, err
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
	would := func(format string, args ...any) { preview.Would = append(preview.Would, fmt.Sprintf(format, args...)) }
	if admin, _ := in.admin(t); admin.name != "" {
		would("give %s admin access", in.Access)
	}
	for _, c := range in.Collaborators {
		would("give %s %s access", c.grantee().name, c.Access)
	}
	if len(in.Topics) > 0 {
		would("set its topics to %s", strings.ToLower(strings.Join(in.Topics, ", ")))
	}
	named := func(what string, names []string) {
		if len(names) > 0 {
			would("set its %s %s", what, strings.Join(names, ", "))
		}
	}
	named("custom properties", sorted(in.CustomProperties))
	named("variables", sorted(in.RepoVariables))
	named("secrets", sorted(in.Secrets))
	if in.OIDCCustomization != nil {
		would("customize the OIDC subject of its workflows")
	}
	if in.Subscribe {
		would("watch it")
	}
	if *in.ProtectDefaultBranch {
		signed := ""
		if in.RequiredCommitSigning {
			signed = " and signed commits"
		}
		would("protect the branch, with %d approving reviews%s required", *in.RequiredApprovingReviewCount, signed)
	}
	preview.Output = PublishOutput{
		RemoteURL: page + ".git", RepoContentsURL: page + "/blob/" + in.DefaultBranch, CommitHash: made.hash.String(),
	}
	return preview, nil
}

// looking is a session that changes nothing: with the step's own token, unless that is not known yet.
func (p *Publisher) looking(t target, token string) (*session, error) {
	if activities.StandsIn(token) {
		token = ""
	}
	return p.session(t, token)
}

// foresee sees whether the name is taken, and whether who shall have it is there.
func (p *Publisher) foresee(ctx context.Context, _ *activities.Call, in PublishInput) ([]string, error) {
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return nil, err
	}
	s, err := p.looking(t, in.Token)
	if err != nil {
		return nil, err
	}
	repo, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	if repo != nil {
		return nil, s.taken()
	}
	if activities.StandsIn(in.Access) {
		return nil, nil
	}
	admin, err := in.admin(t)
	if err != nil {
		return nil, err
	}
	return nil, s.known(ctx, admin)
}
