package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/view"
)

func approvalCommand() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{Use: "approval", GroupID: "use", Short: "List and decide what waits for approval"}
	f.add(cmd)
	cmd.AddCommand(approvalList(&f), approvalShow(&f), decide(&f, "approve"), decide(&f, "reject"), delegate(&f), sign(&f), link(&f))
	return cmd
}

func approvalList(f *apiFlags) *cobra.Command {
	var task, state string
	var page pages
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The approvals that you may see, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := page.query(map[string]string{"task": task, "state": state})
			return list(f, cmd, "approvals", query, []string{"id", "state", "requester", "needs", "since", "reason"}, func(a client.Approval) []string {
				return []string{a.ID, a.State, a.Requester, needs(a), clock(a.CreatedAt), a.Reason}
			})
		},
	}
	page.add(cmd)
	cmd.Flags().StringVar(&task, "task", "", "only those of a run")
	cmd.Flags().StringVar(&state, "state", "pending", "pending, approved, rejected or cancelled; empty for all")
	_ = cmd.RegisterFlagCompletionFunc("state", oneOf("pending", "approved", "rejected", "cancelled")) // the flag is there
	_ = cmd.RegisterFlagCompletionFunc("task", f.tasks())
	return cmd
}

func approvalShow(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "What is asked for, and what an approval lets happen",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.approvals(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			a, err := c.Approval(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if f.output == "json" {
				return printJSON(cmd.OutOrStdout(), a)
			}
			return f.printApproval(cmd, a.Value)
		},
	}
}

func (f *apiFlags) printApproval(cmd *cobra.Command, a client.Approval) error {
	out := cmd.OutOrStdout()
	say := func(format string, args ...any) { fmt.Fprintln(out, view.Plain(fmt.Sprintf(format, args...))) }
	say("%s  %s  %s", a.ID, a.State, a.Title)
	say("%s asks for it with %s, %s", a.Requester, a.Template, clock(a.CreatedAt))
	say("because: %s", a.Reason)
	say("needs %s", needs(a))
	for _, d := range a.Decisions {
		text := d.Verdict
		if d.To != "" {
			text += " to " + d.To
		}
		if d.Comment != "" {
			text += ": " + d.Comment
		}
		say("%s  %s: %s", clock(d.At), d.By, text)
	}
	if a.Seen == nil {
		return nil
	}
	if len(a.Seen.Behind) > 0 {
		rows := make([][]string, 0, len(a.Seen.Behind))
		for _, s := range a.Seen.Behind {
			rows = append(rows, []string{s.ID, s.Action, s.Name})
		}
		say("\nan approval lets these steps begin:")
		if err := f.print(cmd, nil, []string{"step", "action", "name"}, rows); err != nil {
			return err
		}
	}
	for _, e := range a.Seen.Effects {
		for _, sentence := range e.Would {
			say("%s would %s", e.Step, sentence)
		}
	}
	if a.Seen.Unforeseen != "" {
		say("what they would do can't be foreseen: %s", a.Seen.Unforeseen)
	}
	say("\nto decide about exactly this: gildway approval approve %s --shown %s", a.ID, a.Shown)
	say("what the run was submitted with: gildway task show %s", a.Task)
	return nil
}

func needs(a client.Approval) string {
	return strconv.Itoa(a.Required) + " of " + strings.Join(a.Approvers, ", ")
}

func decide(f *apiFlags, decision string) *cobra.Command {
	var comment, shown string
	cmd := onOne(f, decision+" ID", strings.ToUpper(decision[:1])+decision[1:]+" a request",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.Decided], error) {
			return c.Decision(ctx, id, decision, comment, shown)
		}, []string{"approval", "you said", "it is"}, func(id string, said client.Decided) [][]string {
			return [][]string{{id, decision, said.State}}
		})
	cmd.ValidArgsFunction = f.approvals()
	cmd.Flags().StringVar(&comment, "comment", "", "said to the requester and kept with the decision")
	cmd.Flags().StringVar(&shown, "shown", "", "the digest that approval show printed; refused if something else is asked for by now")
	return cmd
}

func delegate(f *apiFlags) *cobra.Command {
	var to, comment string
	cmd := onOne(f, "delegate ID", "Let somebody else decide in your place",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.Decided], error) {
			return c.Delegate(ctx, id, to, comment)
		}, []string{"approval", "decides now", "it is"}, func(id string, said client.Decided) [][]string {
			return [][]string{{id, to, said.State}}
		})
	cmd.ValidArgsFunction = f.approvals()
	cmd.Flags().StringVar(&to, "to", "", "who decides, e.g. user:default/rosa")
	_ = cmd.MarkFlagRequired("to") // it is there
	cmd.Flags().StringVar(&comment, "comment", "", "kept with the decision")
	return cmd
}

func link(f *apiFlags) *cobra.Command {
	cmd := onOne(f, "link ID", "A link of your own with which you, and whoever you give it to, can decide in a browser",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.ApprovalLink], error) {
			return c.LinkApproval(ctx, id)
		}, []string{"open", "until"}, func(_ string, l client.ApprovalLink) [][]string {
			return [][]string{{l.URL, clock(l.ExpiresAt)}}
		})
	cmd.ValidArgsFunction = f.approvals()
	return cmd
}

func sign(f *apiFlags) *cobra.Command {
	var decision, comment string
	cmd := onOne(f, "sign ID", "Sign a decision without handing it in, for temporal workflow signal",
		func(ctx context.Context, c *client.Client, id string) (client.Answer[client.Signed], error) {
			return c.Sign(ctx, id, decision, comment)
		}, []string{"hand it in with"}, func(_ string, said client.Signed) [][]string {
			return [][]string{{"temporal workflow signal --workflow-id " + said.Task + " --name " + said.Signal + " --input '" + string(said.Input) + "'"}}
		})
	cmd.ValidArgsFunction = f.approvals()
	cmd.Flags().StringVar(&decision, "decision", "approve", "approve or reject")
	_ = cmd.RegisterFlagCompletionFunc("decision", oneOf("approve", "reject")) // the flag is there
	cmd.Flags().StringVar(&comment, "comment", "", "said to the requester and kept with the decision")
	return cmd
}
