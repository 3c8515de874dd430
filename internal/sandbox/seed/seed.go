// Package seed holds what a fresh sandbox starts with, as files that people can read.
package seed

import (
	"bytes"
	_ "embed"
	"errors"
	"io"

	"gopkg.in/yaml.v3"
)

//go:embed people.yaml
var people []byte

//go:embed ai.yaml
var ai []byte

//go:embed accounts.yaml
var accounts []byte

// Accounts are what exists beside the catalog.
type Accounts struct {
	GitHub struct {
		Owners []struct{ Login, Type, Name string }
		Org    string // gets a team for each team of the catalog
	}
	Okta struct {
		Groups []struct{ Name, Description string }
	}
}

// Entities are the catalog entities, groups first.
func Entities() ([]map[string]any, error) {
	var all []map[string]any
	for _, file := range [][]byte{people, ai} {
		dec := yaml.NewDecoder(bytes.NewReader(file))
		for {
			var entity map[string]any
			err := dec.Decode(&entity)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			all = append(all, entity)
		}
	}
	return all, nil
}

// Others are the accounts beside the catalog.
func Others() (Accounts, error) {
	var a Accounts
	return a, yaml.Unmarshal(accounts, &a)
}
