package itsm

import (
	"context"
	"fmt"

	"github.com/gildway/gildway/activities"
)

func previewOpen(_ context.Context, call *activities.Call, in OpenInput) (activities.Preview[Ticket], error) {
	person := in.RequestedFor
	if person == "" {
		person = call.Run.Requester.Ref
	}
	return activities.Preview[Ticket]{
		Would:  []string{fmt.Sprintf("open the ticket %q in ServiceNow, for %s", in.Title, person)},
		Output: Ticket{TicketID: "<new ticket>", Number: "<new ticket>", State: Open},
	}, nil
}

func previewUpdate(_ context.Context, _ *activities.Call, in UpdateInput) (activities.Preview[Updated], error) {
	would := fmt.Sprintf("move the ticket %s to %q", in.TicketID, in.State)
	if in.Note != "" {
		would += fmt.Sprintf(", with the note %q", in.Note)
	}
	return activities.Preview[Updated]{
		Would:  []string{would},
		Output: Updated{TicketID: in.TicketID, Number: in.TicketID, State: in.State},
	}, nil
}
