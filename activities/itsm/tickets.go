package itsm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// display is what our tickets carry as correlation_display; others are never changed.
const display = "Gildway"

var correlation = regexp.MustCompile(`^[A-Za-z0-9/_.-]{1,100}$`)

// correlationOf is the ticket's correlation id: the call's key, or the task and the key's hash where the key would
// not fit the field or could break out of a query. Either way it begins with ofRun.
func correlationOf(call *activities.Call) string {
	if correlation.MatchString(call.Key) {
		return call.Key
	}
	sum := sha256.Sum256([]byte(call.Key))
	return ofRun(call) + hex.EncodeToString(sum[:24])
}

// ofRun is what the correlation ids of a run's own tickets begin with.
func ofRun(call *activities.Call) string { return call.Run.Task + "/" }

func (d *Desk) open(ctx context.Context, call *activities.Call, in OpenInput) (Ticket, error) {
	id := correlationOf(call)
	found, err := d.live(ctx, id)
	if err != nil {
		return Ticket{}, err
	}
	if len(found) == 0 {
		values, err := d.values(ctx, call, in)
		if err != nil {
			return Ticket{}, err
		}
		values["correlation_id"], values["correlation_display"] = id, display
		if err := d.table.insert(ctx, values); err != nil {
			return Ticket{}, err
		}
		if found, err = d.live(ctx, id); err != nil {
			return Ticket{}, err
		}
		if len(found) == 0 {
			// Fields that we may not write are dropped without a word.
			return Ticket{}, fault.New(fault.Denied, "ServiceNow does not keep the correlation_id of our tickets; allow our user to write it")
		}
	}
	for _, twin := range found[1:] { // two attempts at once; the oldest stays
		if err := d.move(ctx, twin, d.table.config.States.Cancelled, "Duplicate of "+found[0].Number+"."); err != nil {
			return Ticket{}, err
		}
	}
	ticket := d.ticket(found[0])
	call.Log("Opened the ticket %s", ticket.Number)
	return ticket, nil
}

// live lists the call's tickets, oldest first, without those that were taken back: a run that is tried
// again after its undo opens a new one.
func (d *Desk) live(ctx context.Context, id string) ([]record, error) {
	all, err := d.table.byCorrelation(ctx, id)
	return slices.DeleteFunc(all, func(r record) bool { return r.State == d.table.config.States.Cancelled }), err
}

func (d *Desk) values(ctx context.Context, call *activities.Call, in OpenInput) (map[string]string, error) {
	person := in.RequestedFor
	if person == "" {
		person = call.Run.Requester.Ref
	}
	if !strings.Contains(person, "@") && d.directory != nil {
		email, err := d.directory.Email(ctx, person)
		switch {
		case err == nil:
			person = email
		case fault.KindOf(err) != fault.NotFound: // a ticket may name people by their ref
			return nil, err
		}
	}
	values := map[string]string{
		"short_description": in.Title,
		"description":       in.Description,
		"requested_for":     person,
		"state":             d.table.config.States.Open,
	}
	if in.Category != "" {
		values["category"] = in.Category
	}
	return values, nil
}

func (d *Desk) update(ctx context.Context, call *activities.Call, in UpdateInput) (Updated, error) {
	wanted := d.value(in.State)
	r, err := d.table.get(ctx, in.TicketID)
	if err != nil {
		return Updated{}, err
	}
	if r.CorrelationDisplay != display {
		return Updated{}, fault.New(fault.Denied, "the ticket %s was not opened by Gildway", r.Number)
	}
	if !strings.HasPrefix(r.CorrelationID, ofRun(call)) {
		return Updated{}, fault.New(fault.Denied, "the ticket %s belongs to another run", r.Number)
	}
	if r.State != wanted && d.ended(r.State) {
		return Updated{}, fault.New(fault.Conflict, "the ticket %s is %s already", r.Number, d.word(r.State))
	}
	if err := d.move(ctx, r, wanted, in.Note); err != nil {
		return Updated{}, err
	}
	call.Log("The ticket %s is %s", r.Number, in.State)
	return Updated{TicketID: r.SysID, Number: r.Number, State: in.State}, nil
}

// cancel ends a ticket as cancelled. Tickets are records: they are never deleted.
func (d *Desk) cancel(ctx context.Context, call *activities.Call, _ OpenInput, _ Ticket, why string) error {
	found, err := d.table.byCorrelation(ctx, correlationOf(call))
	if err != nil {
		return err
	}
	for _, r := range found {
		if d.ended(r.State) {
			continue
		}
		if err := d.move(ctx, r, d.table.config.States.Cancelled, "Taken back: "+why); err != nil {
			return err
		}
		call.Log("Cancelled the ticket %s: %s", r.Number, why)
	}
	return nil
}

// move changes a ticket's state and proves it. A note goes with the change only, because work notes
// are appended each time they are sent.
func (d *Desk) move(ctx context.Context, r record, state, note string) error {
	if r.State == state {
		return nil
	}
	values := map[string]string{"state": state}
	if note != "" {
		values["work_notes"] = note
		if d.ended(state) {
			values["close_notes"] = note
		}
	}
	if err := d.table.update(ctx, r.SysID, values); err != nil {
		return err
	}
	now, err := d.table.get(ctx, r.SysID)
	if err != nil {
		return err
	}
	if now.State != state {
		return fault.New(fault.Conflict, "ServiceNow did not move the ticket %s to %s; a rule of the instance may forbid it", r.Number, d.word(state))
	}
	return nil
}
