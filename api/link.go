package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
)

// linkLife is how long a personal link is good for, at most; no longer than its approval is open.
const linkLife = 7 * 24 * time.Hour

// LinkApproval gives the caller a link of their own.
func (h handlers) LinkApproval(ctx context.Context, _ LinkApprovalRequestObject) (LinkApprovalResponseObject, error) {
	a := askedIn(ctx)
	if !h.Links {
		return nil, fault.New(fault.Unsupported, "personal links are switched off here (approvals.links)")
	}
	link, url, err := h.personalLink(a.caller.Ref, a.approval.ID, a.approval.ExpiresAt)
	if err != nil {
		return nil, err
	}
	return LinkApproval200JSONResponse{URL: url, ExpiresAt: moment(link.Expires)}, nil
}

// PersonalLink gives a link for a message that one person alone reads.
func (s *Server) PersonalLink(person, approval string, end *time.Time) (url string, err error) {
	_, url, err = s.personalLink(person, approval, end)
	return url, err
}

func (s *Server) personalLink(person, approval string, end *time.Time) (link identity.Link, url string, err error) {
	link = identity.Link{Person: person, Gate: approval, Expires: time.Now().Add(linkLife)}
	if end != nil && end.Before(link.Expires) {
		link.Expires = *end
	}
	token, err := s.Signer.SignLink(link)
	if err != nil {
		return link, "", fault.Wrap(fault.Internal, err, "the link could not be signed")
	}
	return link, LinkURL(s.PublicURL, token), nil
}

// LinkURL is where a personal link leads. The token stands behind the #, which no server or proxy ever sees.
func LinkURL(publicURL, token string) string { return publicURL + "/approve#" + token }

// linked says who holds a personal link. It is good for one approval alone, and as long as they are here.
func (s *Server) linked(ctx context.Context, token string) (who identity.Principal, is bool, err error) {
	link, is, err := s.Signer.Link(token, time.Now())
	switch {
	case err != nil || !is:
		return who, is, err
	case !s.Links:
		return who, true, fault.New(fault.Unauthenticated, "personal links are switched off here (approvals.links)")
	}
	if err := s.stillHere(ctx, link.Person, "whose link this is"); err != nil {
		return who, true, err
	}
	return identity.Principal{Ref: link.Person, Kind: identity.User, Link: link.Gate, Only: linkIsFor}, true, nil
}

var linkIsFor = []identity.Action{identity.Read, identity.Approve}

// linkable are the operations that a personal link is good for.
var linkable = []string{"GetApproval", "DecideApproval"}

// withinLink keeps whoever holds a personal link to its approval.
func withinLink(who identity.Principal, op *operation, approval string) error {
	if who.Link == "" || who.Link == approval && slices.Contains(linkable, op.id) {
		return nil
	}
	return fault.New(fault.Denied, "this link is good for the approval %s alone; sign in for anything else", who.Link)
}

// approvePageFor is where a browser goes that followed the link to an approval from a log or a message, and "" for
// any other request.
func (s *Server) approvePageFor(c echo.Context) string {
	r := c.Request()
	if op := s.operations[r.Method+" "+c.Path()]; op == nil || op.id != "GetApproval" || !strings.Contains(r.Header.Get(echo.HeaderAccept), echo.MIMETextHTML) {
		return ""
	}
	return LinkURL(s.PublicURL, url.PathEscape(c.Param("approvalId")))
}

func (s *Server) redirect(c echo.Context, to string) {
	if err := c.Redirect(http.StatusSeeOther, to); err != nil {
		s.Log.Warn("an answer could not be written", "request", requestID(c), "error", err)
	}
}

func via(who identity.Principal) string {
	if who.Link != "" {
		return "link"
	}
	return ""
}

//go:embed approve.html
var approvePage []byte

// approvePolicy lets the page's own script and style work, and nothing else; it talks to this API alone.
var approvePolicy = fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	inlineHash("script"), inlineHash("style"))

func inlineHash(element string) string {
	inside := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindSubmatch(approvePage)
	sum := sha256.Sum256(inside[1])
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// ApprovePage is where personal links lead. It is the same for everybody: what it shows it asks for with the link.
func (handlers) ApprovePage(context.Context, ApprovePageRequestObject) (ApprovePageResponseObject, error) {
	return approvePageAnswer{}, nil
}

type approvePageAnswer struct{}

func (approvePageAnswer) VisitApprovePageResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", approvePolicy)
	_, err := bytes.NewReader(approvePage).WriteTo(w)
	return err
}
