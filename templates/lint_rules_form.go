package templates

// formRules are about the entity: its fields, its form and its file.
var formRules = []Rule{{
	ID: "unreadable", Title: "A file can't be read", V3: Error, Beta: Error,
	Why: "What can't be read can't be checked, and a submit would fail on it too.",
}, {
	ID: "no-template", Title: "No template below a folder", V3: Error, Beta: Error,
	Why: "A check that looks at nothing would pass whatever is wrong.",
}, {
	ID: "yaml-syntax", Title: "The file is not one YAML mapping", V3: Error, Beta: Error,
	Why:  "A template is read as YAML 1.2, one document a file, without duplicate keys, within limits of size and depth.",
	Bad:  "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: a }\nspec:\n  type: service\n  owner: a: b\n  steps: []\n",
	Good: "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: a }\nspec:\n  type: service\n  owner: a\n  steps: []\n",
}, {
	ID: "unknown-api-version", Title: "A version of the language that is not known", V3: Error, Named: true,
	Why:  "The version decides how the file is read: scaffolder.backstage.io/v3, or Backstage's own scaffolder.backstage.io/v1beta3.",
	Bad:  "apiVersion: scaffolder.backstage.io/v2\nkind: Template\nmetadata: { name: a }\nspec: { type: service, steps: [] }\n",
	Good: "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: a }\nspec: { type: service, steps: [] }\n",
}, {
	ID: "unknown-kind", Title: "Not a template", V3: Error, Beta: Error, Named: true,
	Why:  "Only entities of kind Template can be run.",
	Bad:  "apiVersion: scaffolder.backstage.io/v3\nkind: Component\nmetadata: { name: a }\nspec: { type: service, steps: [] }\n",
	Good: "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: a }\nspec: { type: service, steps: [] }\n",
}, {
	ID: "bad-name", Title: "A name that the catalog refuses", V3: Error, Beta: Error,
	Why:  "A template is found by its name: letters, digits and inner `-`, `_`, `.`, at most 63 characters.",
	Bad:  "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: My Template }\nspec: { type: service, steps: [] }\n",
	Good: "apiVersion: scaffolder.backstage.io/v3\nkind: Template\nmetadata: { name: my-template }\nspec: { type: service, steps: [] }\n",
}, {
	ID: "bad-ref", Title: "An owner that is no entity ref", V3: Error, Beta: Advised,
	Why: "The owner is a catalog entity, kind:namespace/name; of what is left out, kind is group and namespace default.",
	Bad: "owner: \"a:b:c\"\nsteps: []\n", Good: "owner: group:default/platform\nsteps: []\n",
}, {
	ID: "missing-field", Title: "A field that has to be there is not", V3: Error, Beta: Error,
	Why: "Nothing can be made up in its place.",
	Bad: "steps:\n  - id: hello\n    input: { message: Hello }\n", Good: "steps:\n  - id: hello\n    action: debug:log\n    input: { message: Hello }\n",
}, {
	ID: "wrong-type", Title: "A value of another kind than the field has", V3: Error, Beta: Error,
	Why: "A list where a mapping belongs, a number where a text does: Backstage's schema refuses it as well.",
	Bad: "steps:\n  - action: debug:log\n    input: [Hello]\n", Good: "steps:\n  - action: debug:log\n    input: { message: Hello }\n",
}, {
	ID: "wrong-value", Title: "A value that the field can't have", V3: Error, Beta: Advised,
	Why: "The field has a closed list of values, or bounds.",
	Bad: "execution: parallel\nsteps: []\n", Good: "execution: dag\nsteps: []\n",
}, {
	ID: "unknown-field", Title: "A field that nothing reads", V3: Error, Beta: Advised, Named: true,
	Why:  "A misspelt field is as if it weren't there: the step runs without its condition, its input or its needs. Below a step and in the form, v3 warns too.",
	Bad:  "steps:\n  - action: debug:log\n    when: ${{ user.ref == 'user:default/ada' }}\n",
	Good: "steps:\n  - action: debug:log\n    if: ${{ user.ref == 'user:default/ada' }}\n",
}, {
	ID: "v3-field", Title: "A field that v1beta3 doesn't have", Beta: Advised,
	Why:  "Backstage ignores it, and so does Gildway in a v1beta3 template that doesn't say `execution`.",
	Bad:  "steps:\n  - { action: debug:log, timeout: 30s }\n",
	Good: "steps:\n  - { action: debug:log }\n",
}, {
	ID: "too-many-steps", Title: "More steps than a plan holds", V3: Error, Beta: Error,
	Why: "A run keeps its whole plan; a thousand steps are the bound. Use `each` for what repeats.",
}, {
	ID: "deprecated-name", Title: "An older name", V3: Advised, Beta: Advised, Named: true,
	Why: "The name still works and will go.",
	Bad: "EXPERIMENTAL_formDecorators:\n  - id: defaults\nsteps: []\n", Good: "formDecorators:\n  - id: defaults\nsteps: []\n",
}, {
	ID: "bad-schema", Title: "A form that can't check its values", V3: Error, Beta: Advised,
	Why:  "A pattern that is no regular expression, or a $ref that leads nowhere, fails when somebody submits the form. Of a type that doesn't exist every value is. A required parameter that no page asks for, or an enum that is a text, no value can meet.",
	Bad:  "parameters:\n  properties:\n    name: { type: string, pattern: \"[a-z\" }\nsteps:\n  - action: debug:log\n    input: { message: \"${{ parameters.name }}\" }\n",
	Good: "parameters:\n  properties:\n    name: { type: string, pattern: \"[a-z]+\" }\nsteps:\n  - action: debug:log\n    input: { message: \"${{ parameters.name }}\" }\n",
}, {
	ID: "unused-parameter", Title: "A question whose answer nothing reads", V3: Advised, Beta: Advised,
	Why:  "People are asked for something that changes nothing; often an expression misspells its name.",
	Bad:  "parameters:\n  properties:\n    name: { type: string }\nsteps:\n  - action: debug:log\n    input: { message: Hello }\n",
	Good: "parameters:\n  properties:\n    name: { type: string }\nsteps:\n  - action: debug:log\n    input: { message: \"Hello ${{ parameters.name }}\" }\n",
}, {
	ID: "idle-allowance", Title: "A comment allows what nothing warns of", V3: Advised, Beta: Advised,
	Why: "`# lint:allow <rule>` stays behind when its reason has gone, and would hide the next mistake.",
	Bad: "steps:\n  - action: debug:log # lint:allow constant-condition: there was one\n", Good: "steps:\n  - action: debug:log\n",
}}
