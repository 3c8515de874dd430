package api

import (
	"context"
	"strconv"

	"github.com/gildway/gildway/internal/store"
)

type noticeStore interface {
	Notices(ctx context.Context, refs []string, before int64, limit int) ([]store.Told, error)
}

// ListNotifications implements the route.
func (h handlers) ListNotifications(ctx context.Context, r ListNotificationsRequestObject) (ListNotificationsResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	if err := h.learnGroups(ctx, &caller); err != nil {
		return nil, err
	}
	found, err := h.Store.Notices(ctx, append([]string{caller.Ref}, caller.Groups...), page.before, page.limit+1)
	if err != nil {
		return nil, err
	}
	list := ListNotifications200JSONResponse{Items: []Notification{}}
	for i, n := range found {
		if i == page.limit {
			list.Next = strconv.FormatInt(found[i-1].Seq, 10)
			break
		}
		list.Items = append(list.Items, Notification{
			Kind: string(n.Kind), To: n.To, Title: n.Title, Text: n.Text, Task: n.Task, Link: n.Link, Due: momentOf(n.Due), At: moment(n.At),
		})
	}
	return list, nil
}
