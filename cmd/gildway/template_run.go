package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

func templateRun() *cobra.Command {
	var f apiFlags
	var dry bool
	var valuesFile, secretsFile string
	cmd := &cobra.Command{
		Use:   "run --dry-run TEMPLATE-or-PATH --values FILE",
		Short: "Say what a run would do, without doing it; a PATH needs no server, a TEMPLATE is the API's",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !dry {
				return misused("this only tries a template: say --dry-run; to really run one: gildway task submit TEMPLATE --values FILE")
			}
			values, err := readValues(cmd, valuesFile)
			if err != nil {
				return err
			}
			secrets, err := readSecrets(cmd, secretsFile)
			if err != nil {
				return err
			}
			if _, err := os.Stat(args[0]); err == nil {
				return f.tryFile(cmd, args[0], values, secrets)
			}
			c, err := f.client()
			if err != nil {
				return fmt.Errorf("there is no file %s, and the API can't be asked: %w", args[0], err)
			}
			preview, err := c.PreviewRun(cmd.Context(), templateRef(args[0]), values, secrets)
			if err != nil {
				return err
			}
			if err := f.printPreview(cmd, preview); err != nil {
				return err
			}
			if fails := preview.Fails(); fails != "" {
				return errors.New("the run would fail: " + fails)
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would happen")
	cmd.Flags().StringVar(&valuesFile, "values", "", "the parameters, JSON or YAML; - for standard input")
	cmd.Flags().StringVar(&secretsFile, "secrets", "", "the secrets, JSON or YAML: texts by name")
	return cmd
}

func readSecrets(cmd *cobra.Command, file string) (map[string]string, error) {
	raw, err := readValues(cmd, file)
	if err != nil {
		return nil, err
	}
	var secrets map[string]string
	if err := json.Unmarshal(raw, &secrets); err != nil {
		return nil, fmt.Errorf("%s is not a mapping of names to texts", file) // the decoder's words could quote a secret
	}
	return secrets, nil
}

// tryFile tries a template of this machine. No provider is asked.
func (f *apiFlags) tryFile(cmd *cobra.Command, path string, values json.RawMessage, secrets map[string]string) error {
	versions, problems := offline([]string{path})
	if len(versions) != 1 {
		if len(versions) > 1 {
			return fmt.Errorf("there are %d templates below %s; name one", len(versions), path)
		}
		return fault.WithProblems("the template can't run as it is written", problems)
	}
	v := versions[0]
	if wrong := append(v.Template.CheckValues(values), v.Template.CheckSecrets(secrets)...); len(wrong) > 0 {
		return valuesProblem(wrong)
	}
	runs := worker.RunOptions(config.Config{}, worker.Registry(config.Config{}, goldenFolders()), slog.New(slog.DiscardHandler))
	result, err := dryrun.New(dryrun.Options{Runs: runs}).Run(cmd.Context(), dryrun.Request{
		Run: plan.Run{Plan: *v.Plan, Values: values, Requester: plan.Person{Ref: "user:default/guest"}}, Secrets: secrets, Offline: true,
	})
	if err != nil {
		return err
	}
	if err := f.printPreview(cmd, shownTry(v, result)); err != nil {
		return err
	}
	if result.Failure != nil {
		return fmt.Errorf("the run would fail: %w", result.Failure)
	}
	return nil
}

func valuesProblem(wrong []templates.ValueError) error {
	problems := make([]fault.Problem, len(wrong))
	for i, w := range wrong {
		problems[i] = fault.Problem{Path: strings.TrimPrefix(w.Property, "instance."), Says: w.Message}
	}
	return fault.WithProblems("the values don't fit the template", problems)
}

// shownTry gives a dry run of this machine the form of the API's.
func shownTry(v *templates.Version, r dryrun.Result) client.Preview {
	p := client.Preview{Output: r.Output, Steps: v.Template.TaskSteps(), DirectoryContents: []client.PreviewFile{}, Effects: []client.PreviewEffect{}}
	for _, l := range r.Log {
		var line client.PreviewLine
		line.Body.StepID, line.Body.Status, line.Body.Message = l.Step, l.Status, l.Message
		p.Log = append(p.Log, line)
	}
	for _, file := range r.Files {
		p.DirectoryContents = append(p.DirectoryContents, client.PreviewFile(file))
	}
	for _, e := range r.Effects {
		p.Effects = append(p.Effects, client.PreviewEffect{Step: e.Step, Iteration: e.Iteration, Action: e.Action, Would: e.Would.Do, Fails: e.Would.Fails})
	}
	p.Edges, _ = json.Marshal(v.Plan.Edges) // plain data
	return p
}

func (f *apiFlags) printPreview(cmd *cobra.Command, p client.Preview) error {
	var rows [][]string
	for _, raw := range p.Steps {
		var step struct{ ID, Action string }
		if err := json.Unmarshal(raw, &step); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		rows = append(rows, f.stepRows(p, step.ID, step.Action)...)
	}
	if err := f.print(cmd, p, []string{"step", "action", "state", "what it would do"}, rows); err != nil || f.output == "json" {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "\n%d files in the workspace\n", len(p.DirectoryContents))
	if len(p.Output) > 0 {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, p.Output, "", "  "); err != nil {
			return fmt.Errorf("reading the outputs: %w", err)
		}
		fmt.Fprintf(out, "outputs: %s\n", &pretty)
	}
	return nil
}

// stepRows are a step's lines in the table: one for each thing that it would do.
func (f *apiFlags) stepRows(p client.Preview, id, action string) [][]string {
	row := []string{id, action, p.State(id), p.Skipped(id)}
	var rows [][]string
	for _, e := range p.Effects {
		if e.Step != id {
			continue
		}
		sentences := e.Would
		if e.Fails != "" {
			sentences = append(slices.Clip(sentences), "fail: "+e.Fails)
		}
		for _, would := range sentences {
			if e.Iteration != "" {
				would = "[" + e.Iteration + "] " + would
			}
			row[3] = would
			rows = append(rows, row)
			row = []string{"", "", "", ""}
		}
	}
	if rows == nil {
		rows = append(rows, row)
	}
	return rows
}
