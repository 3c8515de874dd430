package main

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
)

// completionTime is how long somebody waits who pressed the tab key.
const completionTime = 2 * time.Second

// choice is a word that a shell suggests, and what it means.
type choice struct{ word, means string }

func oneOf(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// suggesting completes the first argument with what the API has. Whatever goes wrong, there is no suggestion.
func (f *apiFlags) suggesting(find func(context.Context, *client.Client) ([]choice, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := f.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		found, _ := find(ctx, c) // nothing, then
		var fitting []cobra.Completion
		for _, one := range found {
			if strings.HasPrefix(one.word, begun) {
				fitting = append(fitting, cobra.CompletionWithDesc(one.word, strings.Join(strings.Fields(one.means), " ")))
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

const mostSuggested = "100"

func suggested[T any](ctx context.Context, c *client.Client, what string, query url.Values, show func(T) choice) ([]choice, error) {
	page, err := client.List[T](ctx, c, what, query)
	if err != nil {
		return nil, err
	}
	choices := make([]choice, 0, len(page.Value.Items))
	for _, item := range page.Value.Items {
		choices = append(choices, show(item))
	}
	return choices, nil
}

func (f *apiFlags) tasks() cobra.CompletionFunc {
	return f.suggesting(func(ctx context.Context, c *client.Client) ([]choice, error) {
		return suggested(ctx, c, "tasks", url.Values{"limit": {mostSuggested}}, func(t client.TaskLine) choice {
			return choice{t.ID, t.Template + ", " + t.Phase + ", " + clock(t.CreatedAt)}
		})
	})
}

func (f *apiFlags) templates() cobra.CompletionFunc {
	return f.suggesting(func(ctx context.Context, c *client.Client) ([]choice, error) {
		return suggested(ctx, c, "templates", url.Values{}, func(t client.Template) choice {
			return choice{strings.TrimPrefix(t.Ref, defaultTemplates), t.Title}
		})
	})
}

func (f *apiFlags) approvals() cobra.CompletionFunc {
	return f.suggesting(func(ctx context.Context, c *client.Client) ([]choice, error) {
		return suggested(ctx, c, "approvals", url.Values{"state": {"pending"}, "limit": {mostSuggested}}, func(a client.Approval) choice {
			return choice{a.ID, a.Requester + ": " + a.Title}
		})
	})
}

func (f *apiFlags) reviews() cobra.CompletionFunc {
	return f.suggesting(func(ctx context.Context, c *client.Client) ([]choice, error) {
		return suggested(ctx, c, "access/reviews", url.Values{"state": {"open"}, "limit": {mostSuggested}}, func(r client.AccessReview) choice {
			return choice{r.ID, strconv.Itoa(r.Left) + " left, until " + clock(r.DueAt)}
		})
	})
}

func (f *apiFlags) grants() cobra.CompletionFunc {
	return f.suggesting(func(ctx context.Context, c *client.Client) ([]choice, error) {
		return suggested(ctx, c, "access", url.Values{"state": {"active"}, "limit": {mostSuggested}}, func(l client.Lease) choice {
			return choice{l.ID, l.Requester + ", " + l.Action + ", until " + clock(l.ExpiresAt)}
		})
	})
}
