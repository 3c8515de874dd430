package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/view"
)

// result is what a run gives, as Backstage's frontend shows it. Both lists may hold anything: a template wrote them.
type result struct {
	Text []struct {
		Title   string `json:"title"`
		Content string `json:"content"`
	} `json:"text"`
	Links []struct {
		Title     string `json:"title"`
		URL       string `json:"url"`
		EntityRef string `json:"entityRef"`
	} `json:"links"`
}

// printResult writes what a run gives for people: its texts, its links, and whatever else there is by name.
func printResult(out io.Writer, raw json.RawMessage) error {
	var known result
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &known) != nil || json.Unmarshal(raw, &all) != nil {
		return printJSON(out, raw)
	}
	var b strings.Builder
	for _, t := range known.Text {
		if t.Title != "" {
			fmt.Fprintf(&b, "\n%s\n", t.Title)
		}
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(t.Content))
	}
	if len(known.Links) > 0 {
		b.WriteByte('\n')
	}
	for _, l := range known.Links {
		if l.Title != "" {
			b.WriteString(l.Title + ": ")
		}
		b.WriteString(cmp.Or(l.URL, l.EntityRef) + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name != "text" && name != "links" {
			fmt.Fprintf(&b, "%s: %s\n", name, all[name])
		}
	}
	_, err := io.WriteString(out, view.Plain(b.String()))
	return err
}
