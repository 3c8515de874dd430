package templatetest

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// splice puts new `expect`s into the text of a test file; every other line stays as it is. They come in the order of
// the tests.
func splice(text string, tests []test, expects []*yaml.Node) (string, error) {
	lines := strings.SplitAfter(text, "\n")
	for i := len(tests) - 1; i >= 0; i-- {
		t := tests[i]
		if t.node.Style&yaml.FlowStyle != 0 || len(t.node.Content) == 0 {
			return "", fmt.Errorf("line %d: a test in braces can't be updated; write a key a line", t.node.Line)
		}
		column := t.node.Content[0].Column // of the test's keys
		from, to, prefix := 0, 0, ""
		if at := keyOf(t.node, "expect"); at != nil {
			from = at.Line - 1
			to = blockEnd(lines, from+1, column)
			prefix = lines[from][:at.Column-1]
			dropFoot(at, expects[i])
		} else {
			from = blockEnd(lines, t.node.Line, column-1)
			to = from
			prefix = strings.Repeat(" ", column-1)
			if from > 0 && !strings.HasSuffix(lines[from-1], "\n") {
				lines[from-1] += "\n"
			}
		}
		block, err := indented(expects[i], prefix)
		if err != nil {
			return "", err
		}
		lines = append(lines[:from:from], append([]string{block}, lines[to:]...)...)
	}
	return strings.Join(lines, ""), nil
}

func keyOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i]
		}
	}
	return nil
}

// blockEnd gives the line after the last that is indented by `column` spaces or more, from a line on. Empty lines and
// comments at its end are not part of it.
func blockEnd(lines []string, from, column int) int {
	end := from
	for i := from; i < len(lines); i++ {
		text := strings.TrimRight(lines[i], "\r\n \t")
		if text == "" {
			continue
		}
		if len(text)-len(strings.TrimLeft(text, " ")) < column {
			break
		}
		end = i + 1
	}
	return end
}

// dropFoot removes comments that belong to what follows, which the YAML reader may give to what is above them.
func dropFoot(key, n *yaml.Node) {
	for key.FootComment = ""; n != nil; {
		n.FootComment = ""
		if len(n.Content) == 0 {
			return
		}
		if n.Kind == yaml.MappingNode {
			n.Content[len(n.Content)-2].FootComment = ""
		}
		n = n.Content[len(n.Content)-1]
	}
}

// indented writes `expect` and what is in it. The first line begins with the prefix, the others with as many spaces.
func indented(n *yaml.Node, prefix string) (string, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("expect"), n}}); err != nil {
		return "", fmt.Errorf("writing what is expected: %w", err)
	}
	var block strings.Builder
	block.WriteString(prefix)
	for i, line := range strings.SplitAfter(text.String(), "\n") {
		if i > 0 && strings.TrimSpace(line) != "" {
			block.WriteString(strings.Repeat(" ", len(prefix)))
		}
		block.WriteString(line)
	}
	return block.String(), nil
}

// write puts the new expectations into the file.
func (f *file) write(expects []*yaml.Node) error {
	text, err := splice(f.text, f.tests, expects)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	var check yaml.Node
	if err := yaml.Unmarshal([]byte(text), &check); err != nil {
		return fmt.Errorf("%s can't be updated: %w", f.name, err)
	}
	if text == f.text {
		return nil
	}
	return os.WriteFile(f.name, []byte(text), 0o644)
}
