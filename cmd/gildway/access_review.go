package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
)

func accessReview(f *apiFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "review", Short: "Confirm or revoke what your templates have granted, when you are asked"}
	cmd.AddCommand(reviewList(f), reviewShow(f), reviewDecide(f))
	return cmd
}

func reviewList(f *apiFlags) *cobra.Command {
	var open bool
	var page pages
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The access reviews that you may see, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state := ""
			if open {
				state = "open"
			}
			return list(f, cmd, "access/reviews", page.query(map[string]string{"state": state}), []string{"id", "it is", "due", "grants", "left"},
				func(r client.AccessReview) []string {
					return []string{r.ID, r.State, clock(r.DueAt), strconv.Itoa(r.Grants), strconv.Itoa(r.Left)}
				})
		},
	}
	page.add(cmd)
	cmd.Flags().BoolVar(&open, "open", false, "only those that are not closed")
	return cmd
}

var reviewHead = []string{"grant", "for", "action", "ends", "answer", "by"}

func reviewRows(_ string, r client.AccessReview) (rows [][]string) {
	for _, i := range r.Items {
		whom := i.Requester
		if i.Grantee != "" && i.Grantee != whom {
			whom = i.Grantee + ", asked by " + whom
		}
		answer := i.Verdict
		if answer == "" && i.Ended {
			answer = "ended"
		}
		rows = append(rows, []string{i.Lease, whom, i.Action, clock(i.ExpiresAt), answer, i.DecidedBy})
	}
	return rows
}

func reviewShow(f *apiFlags) *cobra.Command {
	cmd := onOne(f, "show ID", "What an access review is about, and what was answered",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.AccessReview], error) {
			return c.AccessReview(ctx, id)
		}, reviewHead, reviewRows)
	cmd.ValidArgsFunction = f.reviews()
	return cmd
}

func reviewDecide(f *apiFlags) *cobra.Command {
	var d client.ReviewDecision
	cmd := onOne(f, "decide ID", "Confirm or revoke grants of an access review; what is revoked ends now",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.AccessReview], error) {
			return c.DecideAccessReview(ctx, id, d)
		}, reviewHead, reviewRows)
	cmd.ValidArgsFunction = f.reviews()
	cmd.Flags().StringArrayVar(&d.Confirm, "confirm", nil, "a grant that is still needed, by the id of its lease; repeatable")
	cmd.Flags().StringArrayVar(&d.Revoke, "revoke", nil, "a grant that ends now; repeatable")
	cmd.Flags().BoolVar(&d.ConfirmAll, "confirm-all", false, "confirm all that have no answer and are not revoked, but for your own, which somebody else has to review")
	cmd.Flags().StringVar(&d.Comment, "comment", "", "kept with the answers and in the audit log")
	cmd.MarkFlagsOneRequired("confirm", "revoke", "confirm-all")
	return cmd
}
