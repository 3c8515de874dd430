// Package itsm keeps the tickets that a compliance team reads: opened when something is asked for,
// closed with its result.
package itsm

import (
	"context"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// Directory knows people's addresses. A catalog implements it.
type Directory interface {
	// Email gives the address of a user entity; a NotFound fault if there is none.
	Email(ctx context.Context, userRef string) (string, error)
}

// Desk opens and updates tickets. It connects when it is first used.
type Desk struct {
	table     *table
	directory Directory
}

// New makes a desk. The zero Config and a nil directory are good for declarations only.
func New(config Config, directory Directory) *Desk {
	return &Desk{table: newTable(config), directory: directory}
}

// State is a ticket's state in words that all ITSM systems share.
type State string

// The states.
const (
	Open       State = "open"
	InProgress State = "in-progress"
	Resolved   State = "resolved"
	Cancelled  State = "cancelled"
)

// OpenInput is the input of itsm:ticket:open.
type OpenInput struct {
	Title        string `json:"title" jsonschema:"minLength=1,maxLength=160"`
	Description  string `json:"description,omitempty"`
	RequestedFor string `json:"requestedFor,omitempty" jsonschema_description:"User ref or e-mail address. Default: the requester."`
	Category     string `json:"category,omitempty"`
}

// Ticket is the output of itsm:ticket:open.
type Ticket struct {
	TicketID string `json:"ticketId"`
	Number   string `json:"number" jsonschema_description:"What people call it."`
	URL      string `json:"url"`
	State    State  `json:"state"`
}

// UpdateInput is the input of itsm:ticket:update.
type UpdateInput struct {
	TicketID string `json:"ticketId" jsonschema_description:"From itsm:ticket:open."`
	State    State  `json:"state" jsonschema:"enum=in-progress,enum=resolved,enum=cancelled"`
	Note     string `json:"note,omitempty" jsonschema_description:"A work note, written together with the change of state."`
}

// Updated is the output of itsm:ticket:update.
type Updated struct {
	TicketID string `json:"ticketId"`
	Number   string `json:"number"`
	State    State  `json:"state"`
}

// Actions declares what a template can do with tickets.
func (d *Desk) Actions() []activities.Action {
	return []activities.Action{
		activities.Define(activities.Spec[OpenInput, Ticket]{
			ID:          "itsm:ticket:open",
			Description: "Opens a ticket in ServiceNow. Undo closes it as cancelled, with the reason.",
			Queue:       activities.ITSMQueue,
			Examples: []plan.Example{{Description: "A ticket for a request", YAML: `steps:
  - id: ticket
    name: Open a ticket
    action: itsm:ticket:open
    input:
      title: Access to the LLM gateway for ${{ parameters.team }}
      description: ${{ parameters.useCase }}
`}},
			Do:      d.open,
			Preview: previewOpen,
			Undo:    d.cancel,
		}),
		activities.Define(activities.Spec[UpdateInput, Updated]{
			ID:          "itsm:ticket:update",
			Description: "Moves a ticket that Gildway opened to another state, with a work note.",
			Queue:       activities.ITSMQueue,
			Examples: []plan.Example{{Description: "Close it with the result", YAML: `steps:
  - id: close
    name: Close the ticket
    action: itsm:ticket:update
    input:
      ticketId: ${{ steps.ticket.output.ticketId }}
      state: resolved
      note: Access granted until ${{ steps.key.output.expiresAt }}
`}},
			WhyNoUndo: "A ticket is a record of what happened; the undo of itsm:ticket:open closes it.",
			Do:        d.update,
			Preview:   previewUpdate,
		}),
	}
}

func (d *Desk) ticket(r record) Ticket {
	return Ticket{TicketID: r.SysID, Number: r.Number, URL: d.table.page(r.SysID), State: d.word(r.State)}
}

func (d *Desk) value(s State) string {
	states := d.table.config.States
	switch s {
	case InProgress:
		return states.InProgress
	case Resolved:
		return states.Resolved
	case Cancelled:
		return states.Cancelled
	default:
		return states.Open
	}
}

// word is the inverse of value; what has no word of ours is shown as the instance's number.
func (d *Desk) word(value string) State {
	for _, s := range []State{Open, InProgress, Resolved, Cancelled} {
		if d.value(s) == value {
			return s
		}
	}
	return State("state " + value)
}

func (d *Desk) ended(value string) bool {
	return value == d.table.config.States.Resolved || value == d.table.config.States.Cancelled
}
