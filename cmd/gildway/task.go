package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/view"
)

func taskCommand() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{Use: "task", GroupID: "use", Short: "Submit, watch, stop and retry runs of templates"}
	f.add(cmd)
	cmd.AddCommand(taskSubmit(&f), taskList(&f), taskShow(&f), taskGraph(&f), taskWatch(&f), taskCancel(&f), taskRetry(&f), taskStep(&f), taskPause(&f), taskResume(&f), taskRollback(&f), taskEffects(&f), taskLeftovers(&f), taskCollect(&f), taskSchedule(&f))
	return cmd
}

func taskSubmit(f *apiFlags) *cobra.Command {
	var file, secretsFile, key string
	var follow following
	cmd := &cobra.Command{
		Use:   "submit TEMPLATE --values FILE",
		Short: "Submit a run; TEMPLATE is a name or an entity ref",
		Long: `Submits a run of a template and prints its id. What was accepted will run, whatever crashes. A request
whose answer is lost is sent again, and makes one run: each submission has a key of its own, and --key
makes it one of yours, for scripts that start again.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.templates(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			values, err := readValues(cmd, file)
			if err != nil {
				return err
			}
			secrets, err := readSecrets(cmd, secretsFile)
			if err != nil {
				return err
			}
			id, err := c.Submit(cmd.Context(), templateRef(args[0]), values, secrets, cmp.Or(key, uuid.NewString()))
			if err != nil {
				return err
			}
			if !follow.wait {
				return f.print(cmd, map[string]string{"id": id}, []string{"id"}, [][]string{{id}})
			}
			fmt.Fprintln(cmd.ErrOrStderr(), id)
			return follow.watch(f, cmd, c, id)
		},
	}
	cmd.Flags().StringVar(&file, "values", "", "the parameters, JSON or YAML; - for standard input")
	cmd.Flags().StringVar(&secretsFile, "secrets", "", "the secrets, JSON or YAML: texts by name")
	cmd.Flags().StringVar(&key, "key", "", "the same key with the same values is the same run")
	follow.add(cmd, true)
	return cmd
}

const defaultTemplates = "template:default/"

func templateRef(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return defaultTemplates + name
}

// readValues reads JSON or YAML and gives JSON.
func readValues(cmd *cobra.Command, file string) (json.RawMessage, error) {
	var raw []byte
	var err error
	where := file
	switch file {
	case "":
		return json.RawMessage("{}"), nil
	case "-":
		where = "standard input"
		raw, err = io.ReadAll(cmd.InOrStdin())
	default:
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the values: %w", err)
	}
	if json.Valid(raw) {
		raw = bytes.TrimSpace(raw)
	} else {
		var values any
		if err := yaml.Unmarshal(raw, &values); err != nil {
			return nil, fmt.Errorf("%s holds neither JSON nor YAML: %w", where, err)
		}
		if values == nil { // an empty file
			values = map[string]any{}
		}
		if raw, err = json.Marshal(values); err != nil {
			return nil, fmt.Errorf("%s can't be written as JSON: %w", where, err)
		}
	}
	if raw[0] != '{' {
		return nil, fmt.Errorf(`%s holds no values by name; write them like {"team":"payments"}, or as YAML`, where)
	}
	return raw, nil
}

func taskList(f *apiFlags) *cobra.Command {
	var by, template, owner, status, since string
	var page pages
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The runs that you may see, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := moment(since, time.Now())
			if err != nil {
				return err
			}
			query := page.query(map[string]string{"createdBy": by, "template": template, "owner": owner, "status": status, "since": from})
			return list(f, cmd, "tasks", query, []string{"id", "template", "phase", "by", "created"}, func(t client.TaskLine) []string {
				return []string{t.ID, t.Template, t.Phase, t.CreatedBy, clock(t.CreatedAt)}
			})
		},
	}
	page.add(cmd)
	cmd.Flags().StringVar(&by, "by", "", "only those of a user, e.g. user:default/rosa")
	cmd.Flags().StringVar(&template, "template", "", "only those of a template")
	cmd.Flags().StringVar(&owner, "owner", "", "only those of the templates of an owner, e.g. group:default/platform-team")
	cmd.Flags().StringVar(&status, "status", "", "open, processing, completed, failed or cancelled; empty for all")
	cmd.Flags().StringVar(&since, "since", "", "only those of the last time, e.g. 24h, or since 2026-01-31T12:00:00Z")
	_ = cmd.RegisterFlagCompletionFunc("status", oneOf("open", "processing", "completed", "failed", "cancelled")) // the flag is there
	_ = cmd.RegisterFlagCompletionFunc("template", f.templates())
	return cmd
}

// moment reads a time, or how long ago it was.
func moment(since string, now time.Time) (string, error) {
	if ago, err := time.ParseDuration(since); err == nil {
		return now.Add(-ago).UTC().Format(time.RFC3339), nil
	}
	if _, err := time.Parse(time.RFC3339, since); err != nil && since != "" {
		return "", misused("--since is %q; write how long ago, e.g. 24h, or a time, e.g. 2026-01-31T12:00:00Z", since)
	}
	return since, nil
}

func taskShow(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "What a run is at: its steps, what it waits for and what it has granted",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.tasks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			task, err := c.Details(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			graph, err := c.WholeGraph(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if f.output == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]any{"task": task, "graph": graph})
			}
			return f.printTask(cmd, task.Value, graph.Value)
		},
	}
}

func (f *apiFlags) printTask(cmd *cobra.Command, t client.TaskDetails, g client.Graph) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s  %s  %s  by %s, %s\n", t.ID, t.Template, t.Phase, t.CreatedBy, clock(t.CreatedAt))
	if t.Attempt > 0 {
		fmt.Fprintf(out, "retried %s\n", plural(t.Attempt, "time"))
	}
	if t.Parent.Task != "" {
		fmt.Fprintf(out, "for step %s of %s\n", t.Parent.Step, t.Parent.Task)
	}
	if t.Schedule != "" {
		fmt.Fprintf(out, "by the schedule %s\n", t.Schedule)
	}
	if t.Links.Temporal != "" {
		fmt.Fprintln(out, t.Links.Temporal)
	}
	if values := shortened(t.Values); values != "" {
		fmt.Fprintln(out, "with", values)
	}
	fmt.Fprintln(out)
	rows := make([][]string, 0, len(g.Steps))
	for _, s := range g.Steps {
		took, critical := "", ""
		if s.StartedAt != nil {
			took = (time.Duration(s.TookMs) * time.Millisecond).String()
		}
		if s.Critical {
			critical = "*"
		}
		waits := make([]string, len(s.WaitsFor))
		for i, w := range s.WaitsFor {
			waits[i] = w.Says
		}
		if s.Attempts > 1 {
			waits = append(waits, fmt.Sprintf("%d attempts", s.Attempts))
		}
		rows = append(rows, []string{s.ID + critical, s.Action, s.State, took, s.Name, strings.Join(waits, ", ")})
	}
	if err := f.print(cmd, nil, []string{"step", "action", "state", "took", "name", "waits for"}, rows); err != nil {
		return err
	}
	fmt.Fprintln(out, "\n* the steps that the run's time is made of")
	for _, a := range t.Approvals {
		fmt.Fprintf(out, "waits for %d of %s: gildway approval approve %s\n", a.Required, strings.Join(a.Approvers, ", "), a.ID)
	}
	for _, c := range t.Children {
		fmt.Fprintf(out, "step %s runs %s: %s, %s\n", c.Step, c.Template, c.ID, c.Phase)
	}
	for _, l := range t.Access {
		fmt.Fprintf(out, "granted %s by step %s: %s, until %s\n", l.Action, l.Step, l.State, clock(l.ExpiresAt))
	}
	return nil
}

// mostValues is how much of a run's values is shown where they are not what was asked for.
const mostValues = 400

// shortened gives values on one line; nothing of a run that has none.
func shortened(values json.RawMessage) string {
	var plain bytes.Buffer
	if json.Compact(&plain, values) != nil || plain.String() == "{}" {
		return ""
	}
	text := []rune(view.Plain(plain.String()))
	if len(text) > mostValues {
		return string(text[:mostValues]) + "… (all of it: --output json)"
	}
	return string(text)
}

func taskGraph(f *apiFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:               "graph ID",
		Short:             "Draw a run: what waited for what, and how long each step took",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.tasks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "mermaid" && format != "dot" {
				return misused("--format is %q; write mermaid or dot, or --output json", format)
			}
			c, err := f.client()
			if err != nil {
				return err
			}
			if f.output == "json" {
				graph, err := c.WholeGraph(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), graph)
			}
			drawing, err := c.DrawnGraph(cmd.Context(), args[0], format)
			fmt.Fprint(cmd.OutOrStdout(), drawing)
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "mermaid", "mermaid or dot")
	_ = cmd.RegisterFlagCompletionFunc("format", oneOf("mermaid", "dot")) // the flag is there
	return cmd
}

func taskCancel(f *apiFlags) *cobra.Command {
	var reason string
	var undo bool
	cmd := f.telling("cancel ID", "Stop a run at its next safe point", "to stop at its next safe point",
		func(ctx context.Context, c *client.Client, id string) error {
			if reason == "" && !undo {
				return c.CancelTask(ctx, id)
			}
			return c.StopTask(ctx, id, reason, undo)
		})
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the log of the task and the audit log")
	cmd.Flags().BoolVar(&undo, "undo", false, "undo what it has done, even if its template keeps that")
	return cmd
}

func taskPause(f *apiFlags) *cobra.Command {
	var reason string
	cmd := f.telling("pause ID", "Begin no more steps until the run is resumed", "to begin no more steps",
		func(ctx context.Context, c *client.Client, id string) error { return c.PauseTask(ctx, id, reason) })
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the log of the task and the audit log")
	return cmd
}

func taskResume(f *apiFlags) *cobra.Command {
	return f.telling("resume ID", "Go on after a pause", "to go on",
		func(ctx context.Context, c *client.Client, id string) error { return c.ResumeTask(ctx, id) })
}

// telling makes a command that asks something of a run.
func (f *apiFlags) telling(use, short, asked string, tell func(ctx context.Context, c *client.Client, id string) error) *cobra.Command {
	return &cobra.Command{
		Use:               use,
		Short:             short,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.tasks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			if err := tell(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			return f.print(cmd, map[string]string{"id": args[0]}, []string{"id", "asked"}, [][]string{{args[0], asked}})
		},
	}
}

func taskCollect(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "collect ID",
		Short: "Take over the keys that your run minted; works once",
		Long: `Prints the wrapping token of each key that the run minted. Unwrap it in Vault for the token that may read
the key:  VAULT_ADDR=… vault unwrap WRAPPING-TOKEN`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.tasks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			keys, err := c.Collected(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(keys.Value.Items))
			for _, k := range keys.Value.Items {
				rows = append(rows, []string{k.Step, k.Address, k.Mount + "/" + k.Path, clock(k.ExpiresAt), k.WrappingToken})
			}
			return f.print(cmd, keys, []string{"step", "vault", "key", "ends", "wrapping token"}, rows)
		},
	}
}
