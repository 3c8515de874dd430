package worker

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

// How much is looked at in one go: a page stands in history, a batch is one activity, which reads what its grants share once.
const (
	checkPage  = 200
	checkBatch = 25
)

// accessBook is the record of what was granted and how it stands.
type accessBook struct {
	*store.Store
	directory interface {
		Email(ctx context.Context, userRef string) (string, error)
	}
}

// Grants implements run.Access.
func (b accessBook) Grants(ctx context.Context, q activities.GrantsQuery, actions []string) (page activities.GrantPage, err error) {
	logins, err := b.loginsOf(ctx, q.User)
	if err != nil {
		return page, err
	}
	found, err := b.Store.Grants(ctx, store.GrantFilter{Actions: actions, Person: q.User, Logins: logins, After: q.After, Limit: checkPage})
	if err != nil {
		return page, err
	}
	open := map[string]int{} // the batch of each queue that has room
	for _, g := range found {
		i, room := open[g.Queue]
		if !room || len(page.Batches[i].Keys) == checkBatch {
			i = len(page.Batches)
			page.Batches = append(page.Batches, activities.GrantBatch{Queue: g.Queue})
			open[g.Queue] = i
		}
		page.Batches[i].Keys = append(page.Batches[i].Keys, g.Key)
	}
	if len(found) == checkPage {
		page.Next = found[len(found)-1].Seq
	}
	return page, nil
}

// loginsOf are what a person is called where something is granted to a login, in lower case.
func (b accessBook) loginsOf(ctx context.Context, person string) ([]string, error) {
	if person == "" {
		return nil, nil
	}
	logins, err := b.LoginsOf(ctx, person)
	if err != nil {
		return nil, err
	}
	email, err := b.directory.Email(ctx, person)
	if errors.Is(err, fault.NotFound) {
		return logins, nil
	}
	return append(logins, strings.ToLower(email)), err
}

// Granted implements run.Access.
func (b accessBook) Granted(ctx context.Context, keys []string) ([]activities.Granted, error) {
	found, err := b.Store.Grants(ctx, store.GrantFilter{Keys: keys, Limit: len(keys)})
	if err != nil {
		return nil, err
	}
	list := make([]activities.Granted, len(found))
	for i, g := range found {
		list[i] = activities.Granted{
			Effect: activities.Effect{Action: g.Action, Queue: g.Queue, Output: g.Output},
			Ends:   g.Ends, Ending: g.Ending, Drift: activities.DriftKind(g.Drift), Says: g.Says,
		}
		if err := json.Unmarshal(g.Call, &list[i].Call); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Stands implements run.Access.
func (b accessBook) Stands(ctx context.Context, key string, drift activities.DriftKind, says string) error {
	return b.Store.Stands(ctx, key, string(drift), says)
}

// Strangers implements run.Access.
func (b accessBook) Strangers(ctx context.Context, key string, c activities.Circle) error {
	list := make([]store.Stranger, len(c.Strangers))
	for i, s := range c.Strangers {
		list[i] = store.Stranger(s)
	}
	return b.Store.Strangers(ctx, key, c.ID, list)
}
