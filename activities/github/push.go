package github

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/gildway/gildway/internal/fault"
)

// remote opens a push to a clone URL and gives the refs that are there.
func (s *session) remote(ctx context.Context, cloneURL string) (transport.ReceivePackSession, *packp.AdvRefs, error) {
	u, err := url.Parse(cloneURL)
	if err != nil || !confidential(u) {
		return nil, nil, fault.New(fault.Denied, "GitHub names a clone URL that our token must not be sent to")
	}
	endpoint, err := transport.NewEndpoint(cloneURL)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Unavailable, err, "GitHub's clone URL can't be read")
	}
	auth := &githttp.BasicAuth{Username: "x-access-token", Password: s.token.Reveal()}
	session, err := githttp.NewClient(s.http).NewReceivePackSession(endpoint, auth)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err, "a push can't be prepared")
	}
	refs, err := session.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return session, packp.NewAdvRefs(), nil
	}
	if err != nil {
		return nil, nil, gitFault(err)
	}
	return session, refs, nil
}

// push creates the branch with the commit. A branch that has the commit already is fine, one with any
// other is a Conflict fault: the branch is created or left alone, never moved.
func (s *session) push(ctx context.Context, cloneURL string, branch plumbing.ReferenceName, c *commit) error {
	session, refs, err := s.remote(ctx, cloneURL)
	if err != nil {
		return err
	}
	defer session.Close()
	if tip, exists := refs.References[branch.String()]; exists {
		if tip == c.hash {
			return nil
		}
		return fault.New(fault.Conflict, "the branch %s of %s has commits that this step did not make", branch.Short(), s)
	}
	request := packp.NewReferenceUpdateRequestFromCapabilities(refs.Capabilities)
	request.Commands = []*packp.Command{{Name: branch, Old: plumbing.ZeroHash, New: c.hash}}
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, c.store, false).Encode(c.objects, 0); err != nil {
		return fault.Wrap(fault.Internal, err, "the commit can't be packed")
	}
	request.Packfile = io.NopCloser(&pack)
	report, err := session.ReceivePack(ctx, request)
	if report != nil && report.Error() != nil {
		return fault.Wrap(fault.Conflict, report.Error(), "GitHub refused the push to %s", s)
	}
	return gitFault(err)
}

// gitFault finds the fault in what the git client says.
func gitFault(err error) error {
	var unexpected *plumbing.UnexpectedError // has no Unwrap
	if errors.As(err, &unexpected) {
		err = unexpected.Err
	}
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "GitHub's git server can't be understood")
}
