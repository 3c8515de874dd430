package notify

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
)

// Directory knows people's addresses. A catalog implements it.
type Directory interface {
	// Email gives the address of a user or group entity; a NotFound fault if there is none.
	Email(ctx context.Context, ref string) (string, error)
	// Everybody gives the canonical refs of the users in a group and in the groups below it.
	Everybody(ctx context.Context, groupRef string) ([]string, error)
}

// mostMembers is how many people of a group are told one by one. A larger one needs an address of its own.
const mostMembers = 200

// address finds out where one notice is to be sent.
func (s *Sender) address(ctx context.Context) (more bool, err error) {
	n, try, err := s.Outbox.ClaimNotice(ctx, held)
	if err != nil || try == 0 {
		return false, err
	}
	looking, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	to, again := s.addressees(looking, n, try)
	for _, a := range to {
		if a.Problem != "" {
			s.Log.Error("somebody is not told", "channel", a.Channel, "address", a.Address, "notice", n.Key, "error", a.Problem)
		}
	}
	return true, s.Outbox.Address(ctx, n, to, again)
}

// addressees are where a notice is to be sent, as far as the directory says so, and after which time to ask it for the rest.
func (s *Sender) addressees(ctx context.Context, n notice.Notice, try int) (to []notice.Addressee, again time.Duration) {
	for _, c := range s.Channels {
		if len(c.Kinds) > 0 && !slices.Contains(c.Kinds, n.Kind) {
			continue
		}
		for _, ref := range n.To {
			found, err := s.reach(ctx, c, ref)
			f := fault.From(err)
			switch {
			case err == nil:
				to = append(to, found...)
			case f.Kind.Final() && f.Kind != fault.Denied || try >= mostTries:
				to = append(to, notice.Addressee{Channel: c.Name, Address: ref, Problem: f.Public})
			default:
				s.Log.Warn("somebody is told later", "ref", ref, "notice", n.Key, "error", f.Public, "cause", f.Cause)
				again = max(s.wait(try), f.RetryAfter)
			}
		}
	}
	return to, again
}

// reach gives the addresses of a ref: one, or those of a group's people.
func (s *Sender) reach(ctx context.Context, c Channel, ref string) ([]notice.Addressee, error) {
	who, err := plan.ParseEntityRef(ref, "user")
	if err != nil {
		return nil, fault.New(fault.Invalid, "%q is not the ref of anybody", ref)
	}
	if room := c.Rooms[who.String()]; room != "" {
		return []notice.Addressee{{Channel: c.Name, Address: room}}, nil
	}
	switch who.Kind {
	case "user":
		return s.mailbox(ctx, c, ref, who.String())
	case "group":
	default: // a program, which reads nothing
		return nil, nil
	}
	if c.Mailboxes {
		found, err := s.mailbox(ctx, c, ref, "")
		if err == nil || fault.KindOf(err) != fault.NotFound {
			return found, err
		}
	}
	people, err := s.Directory.Everybody(ctx, ref)
	switch {
	case err != nil:
		return nil, err
	case len(people) == 0:
		return nil, fault.New(fault.NotFound, "%s has no address and no members", ref)
	case len(people) > mostMembers:
		return nil, fault.New(fault.Conflict, "%s has %d members, too many to tell one by one, and no address", ref, len(people))
	}
	var all []notice.Addressee
	var missing error
	for _, p := range people {
		found, err := s.mailbox(ctx, c, p, p)
		switch {
		case err == nil:
			all = append(all, found...)
		case fault.KindOf(err) == fault.NotFound:
			missing = err // the others of the group can still do what it asks for
		default:
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, missing
	}
	return all, nil
}

// mailbox gives the e-mail address of a ref, and the person who reads it alone.
func (s *Sender) mailbox(ctx context.Context, c Channel, ref, person string) ([]notice.Addressee, error) {
	address, err := s.Directory.Email(ctx, ref)
	if err != nil {
		return nil, err
	}
	return []notice.Addressee{{Channel: c.Name, Address: strings.ToLower(address), Person: person}}, nil
}
