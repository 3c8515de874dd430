package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

const (
	defaultFile    = "catalog-info.yaml"
	sourceTemplate = "backstage.io/source-template"
)

func write(_ context.Context, call *activities.Call, in WriteInput) (WriteOutput, error) {
	file := in.FilePath
	if file == "" {
		file = defaultFile
	}
	decoder := json.NewDecoder(bytes.NewReader(in.Entity))
	decoder.UseNumber()
	entity, err := block(decoder)
	if err != nil || entity.Kind != yaml.MappingNode {
		return WriteOutput{}, fault.Wrap(fault.Invalid, err, "entity is not an object")
	}
	if call.Run.Template.Ref != "" {
		annotations := child(child(entity, "metadata"), "annotations")
		set(annotations, sourceTemplate, call.Run.Template.Ref)
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(entity); err != nil {
		return WriteOutput{}, fault.Wrap(fault.Internal, err, "the entity can't be written as YAML")
	}
	call.Log("Writing %s", file)
	return WriteOutput{}, call.Files.WriteFile(file, text.Bytes(), 0o644)
}

// block reads JSON into YAML nodes in block style. It keeps the order of keys, which a Go map would lose.
func block(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{}
	switch v := token.(type) {
	case json.Delim:
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
		if v == '[' {
			node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
		}
		for d.More() {
			item, err := block(d)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, item)
		}
		if len(node.Content) == 0 {
			node.Style = yaml.FlowStyle // {} and [] have no block form
		}
		if _, err := d.Token(); err != nil && err != io.EOF {
			return nil, err
		}
	case string:
		if err := node.Encode(v); err != nil { // quotes what YAML 1.1 would not read as text
			return nil, err
		}
	case json.Number:
		node.Kind, node.Value = yaml.ScalarNode, v.String()
	case bool:
		node.Kind, node.Tag, node.Value = yaml.ScalarNode, "!!bool", fmt.Sprint(v)
	default:
		node.Kind, node.Tag, node.Value = yaml.ScalarNode, "!!null", "null"
	}
	return node, nil
}

// child finds the mapping under key, making an empty one if there is none.
func child(parent *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(parent.Content); i += 2 {
		if parent.Content[i].Value != key {
			continue
		}
		if parent.Content[i+1].Kind != yaml.MappingNode {
			parent.Content[i+1] = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		}
		return parent.Content[i+1]
	}
	made := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	name := &yaml.Node{}
	name.SetString(key)
	parent.Content = append(parent.Content, name, made)
	parent.Style = 0
	return made
}

func set(mapping *yaml.Node, key, value string) {
	mapping.Style = 0
	name, text := &yaml.Node{}, &yaml.Node{}
	name.SetString(key)
	text.SetString(value)
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content[i+1] = text
			return
		}
	}
	mapping.Content = append(mapping.Content, name, text)
}
