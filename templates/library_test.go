package templates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/plan"
)

func caseFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/compile/*/template.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

const small = "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: %s }\nspec: { type: service, steps: [ { action: %q } ] }\n"

func folders(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return fsys
}

func baseURL(name string) string { return "golden:/" + name + "/template.yaml" }

func TestLoadFS_OneVersionAFolder(t *testing.T) {
	t.Parallel()
	versions, problems := LoadFS(folders(map[string]string{
		"one/template.yaml":      fmt.Sprintf(small, "one", "debug:log"),
		"one/skeleton/README.md": "hello",
		"two/template.yaml":      fmt.Sprintf(small, "two", "debug:log"),
		"notes/README.md":        "no template here",
		"README.md":              "nor here",
	}), baseURL, testActions(t))
	require.Empty(t, problems)
	require.Len(t, versions, 2)
	one := versions[0]
	require.Equal(t, "template:default/one", one.Ref)
	require.Equal(t, "golden:/one/template.yaml", one.Plan.Template.BaseURL)
	require.Regexp(t, `^sha256:[0-9a-f]{64}$`, one.Digest)
	require.Equal(t, one.Digest, one.Plan.Template.Digest)
	require.NotEqual(t, one.Digest, versions[1].Digest)
}

func TestLoadFS_DigestChangesWithWhatLiesBeside(t *testing.T) {
	t.Parallel()
	digest := func(skeleton map[string]string) string {
		skeleton["one/template.yaml"] = fmt.Sprintf(small, "one", "debug:log")
		versions, problems := LoadFS(folders(skeleton), baseURL, testActions(t))
		require.Empty(t, problems)
		return versions[0].Digest
	}
	all := map[string]bool{
		digest(map[string]string{}):                               true,
		digest(map[string]string{"one/a": "b"}):                   true,
		digest(map[string]string{"one/a": "c"}):                   true,
		digest(map[string]string{"one/ab": ""}):                   true,
		digest(map[string]string{"one/a": "", "one/b": ""}):       true,
		digest(map[string]string{"one/x/a": "b", "one/x/b": "a"}): true,
	}
	require.Len(t, all, 6)
	require.True(t, all[digest(map[string]string{"one/a": "b"})], "the same files have the same digest")
}

func TestLoadFS_ATemplateWithProblemsIsLeftOut(t *testing.T) {
	t.Parallel()
	versions, problems := LoadFS(folders(map[string]string{
		"good/template.yaml": fmt.Sprintf(small, "good", "debug:log"),
		"bad/template.yaml":  fmt.Sprintf(small, "bad", "debug:lgo"),
	}), baseURL, testActions(t))
	require.Len(t, versions, 1)
	require.Len(t, problems, 1)
	require.Equal(t, `bad/template.yaml:4:43: there is no action "debug:lgo" (unknown-action); try: debug:log`, problems[0].String())
}

func TestLoadPath_FilesAndFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
		return name
	}
	write("deep/er/one/template.yaml", fmt.Sprintf(small, "one", "debug:log"))
	write("two/template.yaml", fmt.Sprintf(small, "two", "debug:log"))
	other := write("two/other.yaml", strings.Replace(fmt.Sprintf(small, "other", "debug:log"), "v3", "v1beta3", 1)+"# \n")
	lenient := write("lenient.yaml", strings.ReplaceAll(strings.Replace(fmt.Sprintf(small, "x", "debug:log"), "v3", "v1beta3", 1),
		`action: "debug:log"`, `action: "debug:log", if: "${{ 1 + }}"`))
	actions := testActions(t)

	versions, problems := LoadPath(dir, actions)
	require.Empty(t, problems)
	require.Len(t, versions, 2)

	versions, problems = LoadPath(other, actions)
	require.Empty(t, problems)
	require.Equal(t, "file://"+other, versions[0].BaseURL)

	versions, problems = LoadPath(lenient, actions)
	require.Len(t, versions, 1, "what Backstage accepts compiles")
	require.Len(t, problems, 1, "and is pointed out")
	require.Equal(t, "bad-expression", problems[0].Rule)
	require.Equal(t, lenient, problems[0].File)

	_, problems = LoadPath(filepath.Join(dir, "nothing"), actions)
	require.Len(t, problems, 1)
	require.Equal(t, "unreadable", problems[0].Rule)

	_, problems = LoadPath(t.TempDir(), actions)
	require.Equal(t, "no-template", problems[0].Rule)
}

func TestPicture_Cases(t *testing.T) {
	t.Parallel()
	nasty := &plan.Plan{
		Template: plan.Template{Name: `na"sty`},
		Steps: []plan.Step{
			{ID: "end", Name: `<b>"bold"</b> #1 \n` + "\nline", Action: "x:y", Kind: plan.ActionStep},
			{ID: `q"q`, Name: "Gate", Action: "approval:request", Kind: plan.GateStep},
		},
		Edges: []plan.Edge{{From: "end", To: `q"q`, Reason: plan.Data, Detail: `steps["end"].output`}, {From: "end", To: `q"q`, Reason: plan.Order}},
	}
	gate := mustCompile(t, string(readFile(t, "testdata/compile/gate/template.yaml")), testActions(t))
	choice := mustCompile(t, string(readFile(t, "testdata/compile/switch-nested/template.yaml")), testActions(t))
	for name, picture := range map[string]string{
		"gate.dot": Dot(gate), "gate.mmd": Mermaid(gate), "switch.dot": Dot(choice), "switch.mmd": Mermaid(choice),
		"nasty.dot": Dot(nasty), "nasty.mmd": Mermaid(nasty),
	} {
		file := filepath.Join("testdata", "picture", name)
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(picture), 0o644))
		}
		require.Equal(t, string(readFile(t, file)), picture, name)
	}
}

func parseFile(t *testing.T, name string) *Template {
	t.Helper()
	parsed, problems := Parse("template.yaml", readFile(t, name))
	require.Empty(t, problems)
	return parsed
}

func TestTemplate_PagesAreVerbatimInTheFilesOrder(t *testing.T) {
	t.Parallel()
	pages := parseFile(t, "testdata/compile/backstage-seed-like/template.yaml").Pages()
	require.Len(t, pages, 2)
	require.Equal(t, "About the service", pages[0].Title)
	require.Equal(t, `{"title":"About the service","required":["name","owner"],"properties":{"name":{"type":"string","title":"Name",`+
		`"pattern":"^[a-z0-9-]+$","maxLength":40,"ui:autofocus":true,"ui:field":"EntityNamePicker"},"owner":{"type":"string",`+
		`"title":"Owner","ui:field":"OwnerPicker","ui:options":{"catalogFilter":{"kind":["Group"]}}},"description":{"type":"string",`+
		`"title":"Description","default":"A service"}}}`, string(pages[0].Schema))
}

func TestTemplate_OnePageWithoutATitle(t *testing.T) {
	t.Parallel()
	pages := parseFile(t, "testdata/compile/parameters-in-branches/template.yaml").Pages()
	require.Len(t, pages, 1)
	require.Equal(t, "Please enter the following information", pages[0].Title)
}

func TestTemplate_TaskStepsKeepEveryKey(t *testing.T) {
	t.Parallel()
	src := `apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: { name: x, ui:options: { a: 1 } }
spec:
  type: service
  presentation: { buttonLabels: { reviewButtonText: Look } }
  EXPERIMENTAL_formDecorators: [ { id: d } ]
  EXPERIMENTAL_recovery: { EXPERIMENTAL_strategy: startOver }
  secrets: { schema: { required: [token] } }
  steps:
    - { action: "debug:log", odd: [1], input: { message: "<a> ${{ x }}" } }
    - { id: ~, name: Second, action: "debug:log", "backstage:permissions": { tags: [t] } }
  output: { b: "${{ 1 }}", a: x }
`
	parsed, problems := Parse("template.yaml", []byte(src))
	require.Empty(t, problems)
	require.Equal(t, []json.RawMessage{
		json.RawMessage(`{"action":"debug:log","odd":[1],"input":{"message":"<a> ${{ x }}"},"id":"step-1","name":"debug:log"}`),
		json.RawMessage(`{"id":"step-2","name":"Second","action":"debug:log","backstage:permissions":{"tags":["t"]}}`),
	}, parsed.TaskSteps())
	require.Equal(t, `{"b":"${{ 1 }}","a":"x"}`, string(parsed.Output()))
	require.Equal(t, `{"buttonLabels":{"reviewButtonText":"Look"}}`, string(parsed.Presentation()))
	require.Equal(t, `[{"id":"d"}]`, string(parsed.FormDecorators()))
	require.Equal(t, `{"EXPERIMENTAL_strategy":"startOver"}`, string(parsed.Recovery()))
	require.Equal(t, `{"a":1}`, string(parsed.UIOptions()))

	errs := parsed.CheckSecrets(map[string]string{"other": "hidden-value"})
	require.Len(t, errs, 1)
	require.Equal(t, "secrets.token is required", errs[0].Message)
	require.Equal(t, "secrets", errs[0].Property)
	shown, err := json.Marshal(errs)
	require.NoError(t, err)
	require.False(t, bytes.Contains(shown, []byte("hidden-value")))
	require.Empty(t, parsed.CheckSecrets(map[string]string{"token": "x"}))
}

func TestTemplate_TaskStepsOfASwitchStandFlat(t *testing.T) {
	t.Parallel()
	shown := []string{}
	for _, raw := range parseFile(t, "testdata/compile/switch-nested/template.yaml").TaskSteps() {
		shown = append(shown, string(raw))
	}
	require.Equal(t, []string{
		`{"id":"outer","action":"switch","name":"outer"}`,
		`{"id":"inner","action":"switch","name":"inner"}`,
		`{"id":"deep","action":"debug:log","name":"debug:log"}`,
		`{"id":"deeper","needs":["outer"],"action":"debug:log","name":"debug:log"}`,
		`{"id":"after-inner","needs":["inner"],"action":"debug:log","name":"debug:log"}`,
		`{"id":"other","action":"debug:log","name":"debug:log"}`,
		`{"id":"after-outer","needs":["outer"],"action":"debug:log","name":"debug:log"}`,
		`{"id":"one-branch","needs":["other"],"action":"debug:log","name":"debug:log"}`,
	}, shown)
}

// What a running Backstage answered to the same template and values.
func TestCheckValues_StopsAtTheFirstPageThatFails(t *testing.T) {
	t.Parallel()
	parsed := parseFile(t, "testdata/compile/backstage-seed-like/template.yaml")
	stacks := func(values string) (all []string) {
		for _, e := range parsed.CheckValues(json.RawMessage(values)) {
			all = append(all, e.Stack)
		}
		return all
	}
	require.Equal(t, []string{
		`instance requires property "owner"`, `instance.name does not match pattern "^[a-z0-9-]+$"`,
	}, stacks(`{"name":"Not Valid","port":1,"environments":["nope"]}`))
	require.Equal(t, []string{
		`instance.environments[0] is not one of enum values: dev,test,prod`, `instance.port must be greater than or equal to 1024`,
	}, stacks(`{"name":"valid","owner":"o","port":1,"environments":["nope"]}`))
	require.Empty(t, stacks(`{"name":"valid","owner":"o","more":1}`))
	require.NotEmpty(t, stacks(`[`))
}

func TestParse_WhatIsNoTemplateIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{"not text": "kind: \xff\xfe", "empty": "", "only a comment": "# nothing\n", "a list": "[]"} {
		parsed, problems := Parse("template.yaml", []byte(src))
		require.Nil(t, parsed, name)
		require.NotEmpty(t, problems, name)
		require.Positive(t, problems[0].Line, name)
	}
}
