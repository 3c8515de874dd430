package github

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-github/v84/github"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// markProperty is the custom property that says which call made a repository. Only a repository that
// carries the call's own mark is ever pushed to or deleted.
const markProperty = "gildway-run"

// What Once remembers.
const (
	commitTime = "commitTime"
	commitHash = "commitHash"
)

var (
	plainMark  = regexp.MustCompile(`^[A-Za-z0-9/_.-]{1,75}$`) // GitHub's limit for a property's value
	branchName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$`)
)

func markOf(call *activities.Call) string {
	if plainMark.MatchString(call.Key) {
		return call.Key
	}
	sum := sha256.Sum256([]byte(call.Key))
	return hex.EncodeToString(sum[:])
}

func carries(repo *github.Repository, mark string) bool {
	have, _ := repo.CustomProperties[markProperty].(string)
	return have == mark
}

func (p *Publisher) publish(ctx context.Context, call *activities.Call, in PublishInput) (PublishOutput, error) {
	in = in.withDefaults()
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return PublishOutput{}, err
	}
	if err := in.check(t); err != nil {
		return PublishOutput{}, err
	}
	s, err := p.session(t, in.Token)
	if err != nil {
		return PublishOutput{}, err
	}
	// The commit first: a workspace that can't be published leaves no empty repository.
	commit, err := p.commit(ctx, call, in)
	if err != nil {
		return PublishOutput{}, err
	}
	admin, err := in.admin(t)
	if err != nil {
		return PublishOutput{}, err
	}
	if err := s.known(ctx, admin); err != nil {
		return PublishOutput{}, err
	}
	if err := lend(ctx, call, in.Token); err != nil {
		return PublishOutput{}, err
	}
	repo, err := s.ensure(ctx, call, in)
	if err != nil {
		return PublishOutput{}, err
	}
	if err := p.attest(ctx, call, in.Token, t); err != nil {
		return PublishOutput{}, err
	}
	if err := s.furnish(ctx, call, in); err != nil {
		return PublishOutput{}, err
	}
	if err := s.push(ctx, repo.GetCloneURL(), plumbing.NewBranchReferenceName(in.DefaultBranch), commit); err != nil {
		return PublishOutput{}, err
	}
	if repo, err = s.settle(ctx, call, in); err != nil {
		return PublishOutput{}, err
	}
	call.Log("Published %s at %s", repo.GetHTMLURL(), commit.hash)
	return PublishOutput{
		RemoteURL:       repo.GetCloneURL(),
		RepoContentsURL: repo.GetHTMLURL() + "/blob/" + in.DefaultBranch,
		CommitHash:      commit.hash.String(),
	}, nil
}

// commit builds the same commit in every attempt, and remembers which.
func (p *Publisher) commit(ctx context.Context, call *activities.Call, in PublishInput) (*commit, error) {
	var when time.Time
	err := call.Once(ctx, commitTime, &when, func(context.Context) (any, error) {
		return time.Now().UTC().Truncate(time.Second), nil
	})
	if err != nil {
		return nil, err
	}
	author := author{
		name: cmp.Or(in.GitAuthorName, p.config.AuthorName), email: cmp.Or(in.GitAuthorEmail, p.config.AuthorEmail), when: when,
	}
	made, err := commitFiles(call.Files, in.SourcePath, author, in.GitCommitMessage)
	if err != nil {
		return nil, err
	}
	var first string
	err = call.Once(ctx, commitHash, &first, func(context.Context) (any, error) { return made.hash.String(), nil })
	if err != nil {
		return nil, err
	}
	switch {
	case first == made.hash.String():
	case call.Run.Attempt > 0:
		return nil, fault.New(fault.Conflict, "the files are others than those that an earlier attempt at this task published or was about to publish; submit a new task")
	default:
		return nil, fault.New(fault.Internal, "the workspace changed between two attempts of one step")
	}
	return made, nil
}

// ensure gives our repository, creating it if there is none of the name.
func (s *session) ensure(ctx context.Context, call *activities.Call, in PublishInput) (*github.Repository, error) {
	mark := markOf(call)
	repo, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	created := false
	if repo == nil {
		_, _, err = s.api.Repositories.Create(ctx, s.owner, in.settings(s.repo, mark))
		created = err == nil
		if errors.Is(err, fault.NotFound) {
			return nil, fault.Wrap(fault.NotFound, err, "GitHub has no organization %s in which our credential can create repositories", s.owner)
		}
		refusal := err
		if refusal != nil && !errors.Is(refusal, fault.Invalid) && !errors.Is(refusal, fault.Conflict) {
			return nil, typed(refusal)
		}
		// Read back; after a refusal, too, because "the name is taken" is one, and may mean taken by us.
		if repo, err = s.get(ctx); err != nil {
			return nil, err
		}
		if repo == nil && refusal != nil {
			defined := strings.Join(append([]string{markProperty}, sorted(in.CustomProperties)...), ", ")
			return nil, fault.Wrap(fault.Invalid, refusal, "GitHub refuses to create %s; does the organization define the custom properties it is given: %s?", s, defined)
		}
		if repo == nil {
			return nil, fault.New(fault.Unavailable, "GitHub does not show the new repository %s yet", s)
		}
	}
	if carries(repo, mark) {
		if created {
			call.Log("Created the repository %s", repo.GetFullName())
		}
		return repo, nil
	}
	if created {
		// Without the mark another attempt would take it for a stranger's; better none than an orphan.
		if _, err := s.api.Repositories.Delete(ctx, s.owner, s.repo); err != nil {
			return nil, typed(err)
		}
		return nil, fault.New(fault.Invalid, "GitHub did not keep the custom property %s of %s; define it in the organization", markProperty, s)
	}
	return nil, s.taken()
}

func (s *session) taken() error {
	return fault.New(fault.Conflict, "the repository %s already exists", s)
}

// furnish sets what the repository has before there is anything in it. All of it can be repeated.
func (s *session) furnish(ctx context.Context, call *activities.Call, in PublishInput) error {
	if err := s.admit(ctx, call, in); err != nil {
		return err
	}
	if len(in.Topics) > 0 {
		topics := make([]string, len(in.Topics))
		for i, topic := range in.Topics {
			topics[i] = strings.ToLower(topic)
		}
		_, _, err := s.api.Repositories.ReplaceAllTopics(ctx, s.owner, s.repo, topics)
		if err := warn(call, err, "The topics could not be set"); err != nil {
			return err
		}
	}
	if err := s.equip(ctx, in); err != nil {
		return err
	}
	if in.Subscribe {
		return s.watch(ctx)
	}
	return nil
}

// settle makes the settings that need a branch. All of them can be repeated.
func (s *session) settle(ctx context.Context, call *activities.Call, in PublishInput) (*github.Repository, error) {
	repo, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	if repo == nil {
		return nil, fault.New(fault.Conflict, "the repository %s was deleted while it was published", s)
	}
	if repo.GetDefaultBranch() != in.DefaultBranch {
		repo, _, err = s.api.Repositories.Edit(ctx, s.owner, s.repo, &github.Repository{DefaultBranch: &in.DefaultBranch})
		if err != nil {
			return nil, typed(err)
		}
	}
	if *in.ProtectDefaultBranch {
		_, _, err := s.api.Repositories.UpdateBranchProtection(ctx, s.owner, s.repo, in.DefaultBranch, in.protection())
		if err == nil && in.RequiredCommitSigning {
			_, _, err = s.api.Repositories.RequireSignaturesOnProtectedBranch(ctx, s.owner, s.repo, in.DefaultBranch)
		}
		if err := warn(call, err, "The default branch could not be protected"); err != nil {
			return nil, err
		}
	}
	return repo, nil
}

// warn turns a final error into a warning in the log, as Backstage does; what may still work is tried again.
func warn(call *activities.Call, err error, what string) error {
	err = typed(err)
	if err != nil && fault.KindOf(err).Final() {
		call.LogAt(activities.LogWarn, what+": "+fault.From(err).Public, nil)
		return nil
	}
	return err
}

// valid says what publish would refuse without asking GitHub.
func (in PublishInput) valid() error {
	in = in.withDefaults()
	switch {
	case activities.StandsIn(in.DefaultBranch):
		in.DefaultBranch = "main"
	case !validBranch(in.DefaultBranch):
		return activities.At("defaultBranch", in.check(target{}))
	}
	if activities.StandsIn(in.RepoURL) {
		in.Access = ""
		return in.check(target{})
	}
	t, err := parseTarget(in.RepoURL)
	if err != nil {
		return activities.At("repoUrl", err)
	}
	return in.check(t)
}

func validBranch(name string) bool {
	return branchName.MatchString(name) && !strings.Contains(name, "..") && !strings.Contains(name, "//") &&
		!strings.HasSuffix(name, "/") && !strings.HasSuffix(name, ".") && !strings.HasSuffix(name, ".lock")
}
