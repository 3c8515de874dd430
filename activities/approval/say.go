package approval

import (
	"context"
	"fmt"
	"net/url"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// A gate speaks in plain lines of its step's log. The step stays as it is meanwhile: `processing` is the only state
// of Backstage's that fits, and its client fails on any other type of event.

// link is where an approval is found.
func (g *Gate) link(id string) string {
	return g.PublicURL + "/api/gildway/v1/approvals/" + url.PathEscape(id)
}

// tell says who decided what, and how far the gate has come with it.
func (g *Gate) tell(ctx context.Context, in activities.DecideInput, d plan.Decision, all []plan.Decision) error {
	line := d.By + " rejected"
	if d.Verdict == plan.Approve {
		yes := map[string]bool{}
		for _, one := range all {
			if one.Verdict == plan.Approve && one.By != in.Requester {
				yes[one.By] = true
			}
		}
		line = fmt.Sprintf("%s approved (%d of %d)", d.By, len(yes), max(in.Approval.Required, 1))
	}
	if d.As != d.By {
		line += " as a member of " + d.As
	}
	if d.Comment != "" {
		line += ": " + d.Comment
	}
	return g.Journal.Log(ctx, in.Task, in.Gate+"/said/"+d.Nonce, in.Step, "", line)
}
