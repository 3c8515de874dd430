package github

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/google/go-github/v84/github"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// pullRequest is what Once remembers of one, from before there is anything to see of it.
const pullRequest = "pullRequest"

// proposal is what a pull request asks to merge, and what was there before it.
type proposal struct {
	Files  string `json:"files"` // digest of what is proposed
	Base   string `json:"base"`
	Commit string `json:"commit"`        // "" if nothing would change
	Tip    string `json:"tip,omitempty"` // of the branch, if it was there
	Was    *was   `json:"was,omitempty"` // the pull request, if it was there
}

type was struct {
	Number      int    `json:"number"`
	Title, Body string `json:",omitempty"`
}

// check finds what can never work.
func (in PullRequestInput) check() error {
	switch {
	case activities.StandsIn(in.BranchName):
	case !validBranch(in.BranchName):
		return fault.New(fault.Invalid, "branchName %q is not a branch name", in.BranchName)
	case in.TargetBranchName != "" && !validBranch(in.TargetBranchName):
		return fault.New(fault.Invalid, "targetBranchName %q is not a branch name", in.TargetBranchName)
	case in.BranchName == in.TargetBranchName:
		return fault.New(fault.Invalid, "branchName and targetBranchName are the same branch")
	}
	if in.ForceFork {
		return fault.New(fault.Invalid, "forceFork is not supported: a pull request comes from a branch of the repository itself")
	}
	return nil
}

// changes are what the pull request puts into the repository, by path, and what it deletes.
func (in PullRequestInput) changes(files activities.Files) (put []piece, remove []string, err error) {
	objects, tree, err := treeOf(files, in.SourcePath)
	if err != nil {
		return nil, nil, err
	}
	if put, err = objects.pieces(tree); err != nil {
		return nil, nil, err
	}
	at := func(name string) (string, error) {
		to := path.Join(in.TargetPath, name)
		if to == "." || path.IsAbs(to) || to == ".." || strings.HasPrefix(to, "../") {
			return "", fault.New(fault.Denied, "%q leaves the repository", path.Join(in.TargetPath, name))
		}
		return to, nil
	}
	for i := range put {
		if put[i].path, err = at(put[i].path); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range in.FilesToDelete {
		to, err := at(name)
		if err != nil {
			return nil, nil, err
		}
		remove = append(remove, to)
	}
	return put, remove, nil
}

func digest(put []piece, remove []string) string {
	h := sha256.New()
	for _, p := range put {
		fmt.Fprintf(h, "%q %s %d\n", p.path, p.mode, len(p.content))
		h.Write(p.content)
	}
	fmt.Fprintf(h, "%q", remove)
	return hex.EncodeToString(h.Sum(nil))
}

func (p *Publisher) propose(ctx context.Context, call *activities.Call, in PullRequestInput) (out PullRequestOutput, err error) {
	in = in.withDefaults()
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return out, err
	}
	if err := in.check(); err != nil {
		return out, err
	}
	s, err := p.session(t, in.Token)
	if err != nil {
		return out, err
	}
	put, remove, err := in.changes(call.Files)
	if err != nil {
		return out, err
	}
	if err := lend(ctx, call, in.Token); err != nil {
		return out, err
	}
	var made proposal
	err = call.Once(ctx, pullRequest, &made, func(ctx context.Context) (any, error) { return p.prepare(ctx, s, in, put, remove) })
	if err != nil {
		return out, err
	}
	if made.Files != digest(put, remove) {
		return out, fault.New(fault.Conflict, "the files are others than those that an earlier attempt at this task proposed; submit a new task")
	}
	if made.Commit == "" {
		call.Log("No changes to commit, pull request was not created")
		return out, nil
	}
	if err := p.attest(ctx, call, in.Token, t); err != nil {
		return out, err
	}
	pull, err := s.pull(ctx, in, made)
	if err != nil {
		return out, err
	}
	if err := s.ask(ctx, call, in, pull.GetNumber()); err != nil {
		return out, err
	}
	call.Log("Proposed %s", pull.GetHTMLURL())
	return PullRequestOutput{TargetBranchName: pull.GetBase().GetRef(), RemoteURL: pull.GetHTMLURL(), PullRequestNumber: pull.GetNumber()}, nil
}

// prepare makes the commit, which nobody sees until a branch has it.
func (p *Publisher) prepare(ctx context.Context, s *session, in PullRequestInput, put []piece, remove []string) (made proposal, err error) {
	made = proposal{Files: digest(put, remove), Base: in.TargetBranchName}
	repo, err := s.get(ctx)
	if err != nil {
		return made, err
	}
	if repo == nil {
		return made, fault.New(fault.NotFound, "GitHub has no repository %s, or hides it from our credential", s)
	}
	if made.Base == "" {
		made.Base = repo.GetDefaultBranch()
	}
	if made.Base == in.BranchName {
		return made, fault.New(fault.Invalid, "branchName %s is the branch that the pull request would go into", made.Base)
	}
	parent, err := s.tip(ctx, made.Base)
	if err != nil {
		return made, err
	}
	if parent == "" {
		return made, fault.New(fault.NotFound, "the repository %s has no branch %s that a pull request could go into", s, made.Base)
	}
	if made.Tip, made.Was, err = s.there(ctx, in); err != nil {
		return made, err
	}
	commit, _, err := s.api.Git.GetCommit(ctx, s.owner, s.repo, parent)
	if err != nil {
		return made, typed(err)
	}
	tree := commit.GetTree().GetSHA()
	entries, err := s.entries(ctx, parent, put, remove)
	if err != nil {
		return made, err
	}
	if len(entries) > 0 {
		planted, _, err := s.api.Git.CreateTree(ctx, s.owner, s.repo, tree, entries)
		if err != nil {
			return made, explained(err, "the files can't be put into %s", s)
		}
		if planted.GetSHA() == tree && !*in.CreateWhenEmpty {
			return made, nil
		}
		tree = planted.GetSHA()
	} else if !*in.CreateWhenEmpty {
		return made, nil
	}
	proposed, _, err := s.api.Git.CreateCommit(ctx, s.owner, s.repo, github.Commit{
		Message: &in.CommitMessage, Tree: &github.Tree{SHA: &tree}, Parents: []*github.Commit{{SHA: &parent}}, Author: p.commitAuthor(in),
	}, nil)
	if err != nil {
		return made, explained(err, "a commit can't be made in %s", s)
	}
	made.Commit = proposed.GetSHA()
	return made, nil
}

// commitAuthor is who the step or the configuration names; without either it is the owner of the credential.
func (p *Publisher) commitAuthor(in PullRequestInput) *github.CommitAuthor {
	if in.ForceEmptyGitAuthor || in.GitAuthorName == "" && in.GitAuthorEmail == "" && !p.named {
		return nil
	}
	name, email := in.GitAuthorName, in.GitAuthorEmail
	if name == "" {
		name = p.config.AuthorName
	}
	if email == "" {
		email = p.config.AuthorEmail
	}
	return &github.CommitAuthor{Name: &name, Email: &email}
}

// tip is the commit of a branch, "" if there is none.
func (s *session) tip(ctx context.Context, branch string) (string, error) {
	ref, _, err := s.api.Git.GetRef(ctx, s.owner, s.repo, "heads/"+branch)
	switch {
	case errors.Is(err, fault.NotFound):
		return "", nil
	case errors.Is(err, fault.Conflict):
		return "", fault.Wrap(fault.Conflict, err, "the repository %s is empty: there is nothing that a pull request could go into", s)
	case err != nil:
		return "", typed(err)
	}
	return ref.GetObject().GetSHA(), nil
}

// there finds a branch of that name and its pull request; with `update` they are changed, otherwise they are in the way.
func (s *session) there(ctx context.Context, in PullRequestInput) (tip string, pull *was, err error) {
	if tip, err = s.tip(ctx, in.BranchName); err != nil || tip == "" {
		return "", nil, err
	}
	if !in.Update {
		return "", nil, fault.New(fault.Conflict, "the branch %s of %s already exists; with `update: true` the step changes it and its pull request", in.BranchName, s)
	}
	pulls, err := s.pulls(ctx, in.BranchName, "open")
	if err != nil || len(pulls) == 0 {
		return tip, nil, err
	}
	first := pulls[0]
	return tip, &was{Number: first.GetNumber(), Title: first.GetTitle(), Body: first.GetBody()}, nil
}

func (s *session) pulls(ctx context.Context, branch, state string) ([]*github.PullRequest, error) {
	list, _, err := s.api.PullRequests.List(ctx, s.owner, s.repo, &github.PullRequestListOptions{State: state, Head: s.owner + ":" + branch, ListOptions: github.ListOptions{PerPage: 100}})
	return list, typed(err)
}

// entries are the changes as GitHub takes them. What is text goes along, anything else is sent before.
func (s *session) entries(ctx context.Context, parent string, put []piece, remove []string) (all []*github.TreeEntry, err error) {
	kind := "blob"
	for _, p := range put {
		e := &github.TreeEntry{Path: &p.path, Mode: &p.mode, Type: &kind}
		if text := string(p.content); utf8.ValidString(text) && !strings.Contains(text, "\x00") {
			e.Content = &text
		} else {
			encoded, encoding := base64.StdEncoding.EncodeToString(p.content), "base64"
			blob, _, err := s.api.Git.CreateBlob(ctx, s.owner, s.repo, github.Blob{Content: &encoded, Encoding: &encoding})
			if err != nil {
				return nil, explained(err, "%s can't be put into %s", p.path, s)
			}
			e.SHA = blob.SHA
		}
		all = append(all, e)
	}
	plain := "100644"
	for _, name := range remove {
		_, _, _, err := s.api.Repositories.GetContents(ctx, s.owner, s.repo, name, &github.RepositoryContentGetOptions{Ref: parent})
		if errors.Is(err, fault.NotFound) {
			continue // it isn't there
		}
		if err != nil {
			return nil, typed(err)
		}
		all = append(all, &github.TreeEntry{Path: &name, Mode: &plain, Type: &kind})
	}
	return all, nil
}

// pull gives our pull request, making the branch and it if they are not there.
func (s *session) pull(ctx context.Context, in PullRequestInput, made proposal) (*github.PullRequest, error) {
	found, err := s.proposed(ctx, in.BranchName, made)
	if err != nil {
		return nil, err
	}
	if found != nil && found.MergedAt != nil { // somebody was quick
		return found, nil
	}
	if err := s.point(ctx, in.BranchName, made); err != nil {
		return nil, err
	}
	title, body := in.Title, in.Description
	switch {
	case made.Was != nil:
		edited, _, err := s.api.PullRequests.Edit(ctx, s.owner, s.repo, made.Was.Number, &github.PullRequest{
			Title: &title, Body: &body, Base: &github.PullRequestBranch{Ref: &made.Base},
		})
		if err != nil {
			return nil, explained(err, "the pull request %d of %s can't be updated", made.Was.Number, s)
		}
		return edited, nil
	case found != nil:
		return found, nil
	}
	created, _, err := s.api.PullRequests.Create(ctx, s.owner, s.repo, &github.NewPullRequest{
		Title: &title, Body: &body, Head: &in.BranchName, Base: &made.Base, Draft: &in.Draft,
	})
	if err != nil {
		return nil, explained(err, "a pull request from %s into %s can't be made in %s", in.BranchName, made.Base, s)
	}
	return created, nil
}

// proposed finds the pull request that asks to merge our commit, unless it was closed; nil if there is none.
func (s *session) proposed(ctx context.Context, branch string, made proposal) (*github.PullRequest, error) {
	pulls, err := s.pulls(ctx, branch, "all")
	if err != nil {
		return nil, err
	}
	for _, p := range pulls {
		if p.GetHead().GetSHA() == made.Commit && (p.GetState() == "open" || p.MergedAt != nil) {
			return p, nil
		}
	}
	return nil, nil
}

// point makes the branch, or moves it from where it was found. A branch that somebody has pushed to since is left alone.
func (s *session) point(ctx context.Context, branch string, made proposal) error {
	tip, err := s.tip(ctx, branch)
	if err != nil {
		return err
	}
	force := true
	switch tip {
	case made.Commit:
		return nil
	case "":
		_, _, err = s.api.Git.CreateRef(ctx, s.owner, s.repo, github.CreateRef{Ref: "refs/heads/" + branch, SHA: made.Commit})
	case made.Tip:
		_, _, err = s.api.Git.UpdateRef(ctx, s.owner, s.repo, "heads/"+branch, github.UpdateRef{SHA: made.Commit, Force: &force})
	default:
		return fault.New(fault.Conflict, "the branch %s of %s has commits that this step did not make", branch, s)
	}
	if err != nil {
		return explained(err, "the branch %s of %s can't be set", branch, s)
	}
	return nil
}

// ask asks people to look at it. Whom GitHub doesn't know for it is left out, with a warning.
func (s *session) ask(ctx context.Context, call *activities.Call, in PullRequestInput, number int) error {
	if len(in.Reviewers)+len(in.TeamReviewers) > 0 {
		_, _, err := s.api.PullRequests.RequestReviewers(ctx, s.owner, s.repo, number, github.ReviewersRequest{Reviewers: in.Reviewers, TeamReviewers: in.TeamReviewers})
		if err := warn(call, err, fmt.Sprintf("Failure when adding reviewers to pull request %d", number)); err != nil {
			return err
		}
	}
	if len(in.Assignees) > 0 {
		_, _, err := s.api.Issues.AddAssignees(ctx, s.owner, s.repo, number, in.Assignees)
		return warn(call, err, fmt.Sprintf("Failure when adding assignees to pull request %d", number))
	}
	return nil
}

// withdraw closes the pull request and deletes its branch, or puts both back as they were found, as long as nobody has
// pushed to the branch or merged it.
func (p *Publisher) withdraw(ctx context.Context, call *activities.Call, in PullRequestInput, _ PullRequestOutput, why string) error {
	var made proposal
	began, err := call.Recall(ctx, pullRequest, &made)
	if err != nil || !began || made.Commit == "" {
		return err
	}
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return err
	}
	s, repo, err := p.own(ctx, call, in.Token, t)
	if err != nil || repo == nil {
		return err
	}
	tip, err := s.tip(ctx, in.BranchName)
	if err != nil {
		return err
	}
	ours, err := s.proposed(ctx, in.BranchName, made)
	switch {
	case err != nil:
		return err
	case ours != nil && ours.MergedAt != nil:
		return fault.New(fault.Conflict, "the pull request %d of %s is merged, it stays", ours.GetNumber(), s)
	case tip != "" && tip != made.Commit && tip != made.Tip && !call.Force:
		return fault.New(fault.Conflict, "the branch %s of %s has new work, it stays, and so does its pull request", in.BranchName, s)
	}
	if err := s.restore(ctx, in.BranchName, tip, made, ours); err != nil {
		return err
	}
	call.Log("Withdrew the pull request from %s of %s: %s", in.BranchName, s, why)
	return nil
}

func (s *session) restore(ctx context.Context, branch, tip string, made proposal, ours *github.PullRequest) (err error) {
	closed, force := "closed", true
	switch {
	case made.Was != nil:
		_, _, err = s.api.PullRequests.Edit(ctx, s.owner, s.repo, made.Was.Number, &github.PullRequest{Title: &made.Was.Title, Body: &made.Was.Body})
	case ours != nil:
		_, _, err = s.api.PullRequests.Edit(ctx, s.owner, s.repo, ours.GetNumber(), &github.PullRequest{State: &closed})
	}
	if err != nil && !errors.Is(err, fault.NotFound) {
		return explained(err, "the pull request from %s of %s can't be withdrawn", branch, s)
	}
	switch {
	case tip == "" || tip == made.Tip:
		return nil
	case made.Tip != "":
		_, _, err = s.api.Git.UpdateRef(ctx, s.owner, s.repo, "heads/"+branch, github.UpdateRef{SHA: made.Tip, Force: &force})
	default:
		_, err = s.api.Git.DeleteRef(ctx, s.owner, s.repo, "heads/"+branch)
	}
	if err == nil {
		return nil
	}
	if now, again := s.tip(ctx, branch); again == nil && now == made.Tip {
		return nil // an answer was lost, or somebody was quicker
	}
	return explained(err, "the branch %s of %s can't be put back", branch, s)
}

// previewPull says what propose would do, with Backstage's outputs of a dry run.
func (p *Publisher) previewPull(_ context.Context, call *activities.Call, in PullRequestInput) (preview activities.Preview[PullRequestOutput], err error) {
	in = in.withDefaults()
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return preview, err
	}
	if err := in.check(); err != nil {
		return preview, err
	}
	put, remove, err := in.changes(call.Files)
	if err != nil {
		return preview, err
	}
	into := "its default branch"
	if in.TargetBranchName != "" {
		into = in.TargetBranchName
	}
	preview.Would = []string{
		fmt.Sprintf("push %d files to the branch %s of https://%s/%s", len(put), in.BranchName, t.host, t),
		fmt.Sprintf("propose to merge it into %s: %q", into, in.Title),
	}
	if len(remove) > 0 {
		preview.Would = append(preview.Would, "delete "+strings.Join(remove, ", ")+" in it")
	}
	if asked := append(append(append([]string{}, in.Reviewers...), in.TeamReviewers...), in.Assignees...); len(asked) > 0 {
		preview.Would = append(preview.Would, "ask "+strings.Join(asked, ", ")+" to look at it")
	}
	preview.Output = PullRequestOutput{TargetBranchName: in.BranchName, RemoteURL: in.RepoURL, PullRequestNumber: 43}
	return preview, nil
}

// foreseePull sees whether the branch is taken. A repository that is not there may be made by an earlier step.
func (p *Publisher) foreseePull(ctx context.Context, _ *activities.Call, in PullRequestInput) ([]string, error) {
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil || activities.StandsIn(in.BranchName) {
		return nil, err
	}
	s, err := p.looking(t, in.Token)
	if err != nil {
		return nil, err
	}
	if repo, err := s.get(ctx); err != nil || repo == nil {
		return nil, err
	}
	tip, pull, err := s.there(ctx, in)
	switch {
	case err != nil || tip == "":
		return nil, err
	case pull != nil:
		return []string{fmt.Sprintf("find the branch %s and the pull request %d, and change them", in.BranchName, pull.Number)}, nil
	}
	return []string{fmt.Sprintf("find the branch %s, and move it", in.BranchName)}, nil
}
