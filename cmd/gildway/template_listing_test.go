package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestTemplateListing_ShowsWhatBackstageLists(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"template", "listing"}, {"template", "listing", "../../templates/golden"}} {
		var out, errOut bytes.Buffer
		root := newRoot(&out, &errOut)
		root.SetArgs(args)
		require.NoError(t, root.ExecuteContext(t.Context()))
		docs, names := yaml.NewDecoder(&out), []string{}
		for {
			var entity struct {
				APIVersion string `yaml:"apiVersion"`
				Metadata   struct {
					Name        string
					Annotations map[string]string
				}
			}
			if docs.Decode(&entity) != nil {
				break
			}
			require.Equal(t, "scaffolder.backstage.io/v1beta3", entity.APIVersion)
			require.Equal(t, "true", entity.Metadata.Annotations["gildway.io/listed-only"])
			names = append(names, entity.Metadata.Name)
		}
		require.Equal(t, []string{"data-pipeline", "nodejs-microservice", "request-llm-gateway-access"}, names)
	}
	root := newRoot(&bytes.Buffer{}, &bytes.Buffer{})
	root.SetArgs([]string{"template", "listing", "testdata/broken"})
	require.Error(t, root.ExecuteContext(t.Context()))
}
