package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/client"
	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

func taskCommand() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{Use: "task", GroupID: "use", Short: "Submit, watch, stop and retry runs of templates"}
	f.add(cmd)
	cmd.AddCommand(taskSubmit(&f), taskList(&f), taskShow(&f), taskWatch(&f), taskCancel(&f), taskRetry(&f), taskCollect(&f))
	return cmd
}

func taskSubmit(f *apiFlags) *cobra.Command {
	var file string
	var wait bool
	cmd := &cobra.Command{
		Use:   "submit TEMPLATE --values FILE",
		Short: "Submit a run; TEMPLATE is a name or an entity ref",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			values, err := readValues(cmd, file)
			if err != nil {
				return err
			}
			id, err := c.SubmitTask(cmd.Context(), templateRef(args[0]), values)
			if err != nil {
				return err
			}
			if !wait {
				return f.print(cmd, map[string]string{"id": id}, []string{"id"}, [][]string{{id}})
			}
			fmt.Fprintln(cmd.ErrOrStderr(), id)
			return f.watch(cmd, c, id)
		},
	}
	cmd.Flags().StringVar(&file, "values", "", "the parameters, JSON or YAML; - for standard input")
	cmd.Flags().BoolVar(&wait, "wait", false, "follow the run to its end; exit status 1 if it fails")
	return cmd
}

func templateRef(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return "template:default/" + name
}

// readValues reads JSON or YAML and gives JSON.
func readValues(cmd *cobra.Command, file string) (json.RawMessage, error) {
	var raw []byte
	var err error
	switch file {
	case "":
		return json.RawMessage("{}"), nil
	case "-":
		raw, err = io.ReadAll(cmd.InOrStdin())
	default:
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the values: %w", err)
	}
	if json.Valid(raw) {
		return bytes.TrimSpace(raw), nil
	}
	v := map[string]any{}
	if err := yaml.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("%s holds neither JSON nor YAML: %w", file, err)
	}
	return json.Marshal(v)
}

func taskList(f *apiFlags) *cobra.Command {
	var by string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The newest runs that you may see",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			tasks, err := c.Tasks(cmd.Context(), by, limit)
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(tasks))
			for _, t := range tasks {
				rows = append(rows, []string{t.ID, t.TemplateRef(), t.Status, t.CreatedBy, t.CreatedAt.Local().Format(time.DateTime)})
			}
			return f.print(cmd, tasks, []string{"id", "template", "status", "by", "created"}, rows)
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "only those of a user, e.g. user:default/rosa")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many at the most")
	return cmd
}

func taskShow(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "A run with the state of each step",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			task, err := c.Task(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			graph, err := c.Graph(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if f.output == "table" {
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s  by %s\n\n", task.ID, task.TemplateRef(), task.Status, task.CreatedBy)
			}
			rows := make([][]string, 0, len(graph.Steps))
			for _, s := range graph.Steps {
				took := ""
				if s.StartedAt != nil && s.EndedAt != nil {
					took = s.EndedAt.Sub(*s.StartedAt).Round(time.Millisecond).String()
				}
				rows = append(rows, []string{s.ID, s.Action, s.State, took, s.Name})
			}
			return f.print(cmd, map[string]any{"task": task, "graph": graph}, []string{"step", "action", "state", "took", "name"}, rows)
		},
	}
}

func taskWatch(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "watch ID",
		Short: "Follow a run to its end; exit status 1 if it fails",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			return f.watch(cmd, c, args[0])
		},
	}
}

// watch prints a line for each event, as JSON if that is asked for, and for a run that went well its
// output at the end.
func (f *apiFlags) watch(cmd *cobra.Command, c *client.Client, id string) error {
	out := cmd.OutOrStdout()
	show := func(e client.Event) {
		step := e.Body.StepID
		if e.Body.Status != "" && step != "" {
			step += " [" + e.Body.Status + "]"
		}
		fmt.Fprintf(out, "%s  %-32s  %s\n", e.CreatedAt.Local().Format(time.TimeOnly), step, e.Body.Message)
	}
	if f.output == "json" {
		lines := json.NewEncoder(out)
		show = func(e client.Event) { _ = lines.Encode(e) } // of an event that was JSON before
	}
	end, err := c.Watch(cmd.Context(), id, show)
	if err != nil {
		return err
	}
	if e := end.Body.Error; e != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "the run failed:", e.Message)
		return exitCode(1)
	}
	if len(end.Body.Output) > 0 && f.output != "json" { // the completion event holds it
		fmt.Fprintln(out, string(end.Body.Output))
	}
	return nil
}

func taskCancel(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "Stop a run at its next safe point",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			if err := c.CancelTask(cmd.Context(), args[0]); err != nil {
				return err
			}
			return f.print(cmd, map[string]string{"id": args[0], "asked": "cancel"}, []string{"id", "asked"}, [][]string{{args[0], "to stop at its next safe point"}})
		},
	}
}

func taskRetry(f *apiFlags) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "retry ID",
		Short: "Run a task that has ended again, with the same values",
		Long: `What the task made is adopted, what was undone is made again, and its approvals are asked for again.
The secrets of the first run are gone: a task that needs some is retried from the portal, or submitted anew.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			if err := c.RetryTask(cmd.Context(), args[0], nil); err != nil {
				return err
			}
			if !wait {
				return f.print(cmd, map[string]string{"id": args[0], "asked": "retry"}, []string{"id", "asked"}, [][]string{{args[0], "to run again"}})
			}
			return f.watch(cmd, c, args[0])
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "follow the run to its end; exit status 1 if it fails")
	return cmd
}

func taskCollect(f *apiFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "collect ID",
		Short: "Take over the keys that your run minted; works once",
		Long: `Prints the wrapping token of each key that the run minted. Unwrap it in Vault for the token that may read
the key:  VAULT_ADDR=… vault unwrap WRAPPING-TOKEN`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.client()
			if err != nil {
				return err
			}
			keys, err := c.Collect(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(keys))
			for _, k := range keys {
				rows = append(rows, []string{k.Step, k.Address, k.Mount + "/" + k.Path, k.ExpiresAt.Local().Format(time.DateTime), k.WrappingToken})
			}
			return f.print(cmd, keys, []string{"step", "vault", "key", "ends", "wrapping token"}, rows)
		},
	}
}
