package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/expr/oracle"
)

const skeletonFiles = 1000

// skeletonKinds are the sorts of files that a skeleton has; %d tells the files of a sort apart.
var skeletonKinds = []struct{ path, content string }{
	{"services/${{ values.name }}-%d/package.json", `{
  "name": "@${{ values.owner | lower | replace(" ", "-") }}/${{ values.name }}-%d",
  "description": ${{ values.description | dump }},
  "private": ${{ values.private }},
  "dependencies": {
  {%- for name, version in values.dependencies %}
    "${{ name }}": "${{ version }}"{% if not loop.last %},{% endif %}
  {%- endfor %}
  }
}
`},
	{"services/${{ values.name }}-%d/src/index.ts", "import express from 'express';\n\n// Service %d of ${{ values.owner }}.\nconst app = express();\n" + `
{% for route in values.routes -%}
app.${{ route.method | lower }}('${{ route.path }}', async (req, res) => {
  {%- if route.auth %}
  await authorize(req, '${{ route.scope | default(values.name ~ ":read") }}');
  {%- endif %}
  res.json({ service: '${{ values.name | title }}', route: ${{ loop.index }}, of: ${{ loop.length }} });
});
{% endfor %}
app.listen(${{ values.port + 1 }});
`},
	{"deploy/${{ values.name }}-%d.yaml", `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${{ values.name }}-%d
  labels:
  {%- for k, v in values.labels %}
    ${{ k }}: "${{ v }}"
  {%- endfor %}
spec:
  replicas: ${{ 3 if values.tier == "gold" else 1 }}
  template:
    spec:
      containers:
        - name: app
          image: registry.example.com/${{ values.owner | lower | replace(" ", "-") }}/${{ values.name }}:{% raw %}${{ github.sha }}{% endraw %}
          ports: [{ containerPort: ${{ values.port }} }]
          env:
          {%- for e in values.env | sort(false, true, "name") %}
            - name: ${{ e.name | upper }}
              value: ${{ e.value | dump }}
          {%- else %}
            []
          {%- endfor %}
          {%- if values.tier in ["gold", "silver"] and values.routes | length > 2 %}
          resources: { limits: { memory: ${{ values.memory * 2 }}Mi } }
          {%- endif %}
`},
	{"docs/${{ values.name | upper }}-%d.md", `# ${{ values.name | replace("-", " ") | title }} %d

{# what the reader sees first #}
${{ values.description | truncate(80) }}

{% macro badge(label, value="unknown") %}![${{ label }}](https://badges.example.com/${{ label | urlencode }}/${{ value | urlencode }}){% endmacro -%}
${{ badge("tier", values.tier) }} ${{ badge("owner") }}

| route | method | authenticated |
| --- | --- | --- |
{% for route in values.routes -%}
| ${{ route.path }} | ${{ route.method }} | ${{ "yes" if route.auth else "no" }} |
{% endfor %}
{% set team = values.owner | lower %}
Owned by ${{ team }}, labels: ${{ values.labels | dictsort | join(", ") }}.

Run it with ` + "`yarn start`" + `, test it with ` + "`yarn test`" + `. Nothing on the following lines is for the template.

` + strings.Repeat("Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore.\n", 12)},
	{"src/lib%d.go", "package lib\n\n// Plain source without a tag.\n" + strings.Repeat("func f() error { return nil }\n", 40)},
}

const skeletonValues = `{"name":"payment-processor","owner":"Payments Team","description":"Takes \"payments\" from cards, wallets and bank accounts, and settles them with the ledger every night.",
  "private":true,"port":8080,"memory":256,"tier":"gold","dependencies":{"express":"^4.19.2","pino":"^9.1.0","zod":"^3.23.8","pg":"^8.12.0"},
  "labels":{"team":"payments","cost-center":"4711","environment":"production"},
  "env":[{"name":"log_level","value":"info"},{"name":"database_url","value":"postgres://db/payments"},{"name":"region","value":"eu-central-1"}],
  "routes":[{"path":"/payments","method":"GET","auth":true,"scope":"payments:read"},{"path":"/payments","method":"POST","auth":true},{"path":"/healthz","method":"GET","auth":false}]}`

type skeletonFile struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

func skeleton() []skeletonFile {
	files := make([]skeletonFile, skeletonFiles)
	for i := range files {
		kind := skeletonKinds[i%len(skeletonKinds)]
		number := func(s string) string { return strings.Replace(s, "%d", fmt.Sprint(i), 1) }
		files[i] = skeletonFile{number(kind.path), number(kind.content)}
	}
	return files
}

// inNode renders in Node what it gets once, as often as it is asked, and answers with the digest of all of it.
const inNode = `
const { createHash } = require('node:crypto');
let render;
require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
  const asked = JSON.parse(line);
  if (asked.files) {
    render = () => {
      const renderer = nunjitsu.createTemplateRenderer(capabilities());
      const context = renderer.prepareContext({ values: asked.values });
      const hash = createHash('sha256');
      for (const { path, content } of asked.files) hash.update(renderer.render(path, context)).update(renderer.render(content, context));
      return hash.digest('hex');
    };
    return;
  }
  process.stdout.write(JSON.stringify(render()) + '\n');
});
`

// skeletonRow holds the rendering of a large skeleton against Node rendering it with Backstage's template engine: paths and
// contents, from memory to a digest, which must be the same.
func skeletonRow(ctx context.Context) (row, error) {
	const samples = 15
	files := skeleton()
	what := fmt.Sprintf("render a skeleton of %d files", len(files))
	values, err := expr.FromJSON([]byte(skeletonValues))
	if err != nil {
		return row{}, err
	}
	var ours, theirs string
	gildway := func(ctx context.Context) (err error) {
		ours, err = renderSkeleton(ctx, files, values)
		return err
	}
	node, err := oracle.Start(ctx, inNode)
	if errors.Is(err, oracle.ErrNoNode) {
		took, err := medians(ctx, samples, gildway)
		if err != nil {
			return row{}, err
		}
		return row{what: what, measured: shown(took[0]), against: "no Node on this machine", samples: samples}, nil
	}
	if err != nil {
		return row{}, err
	}
	defer node.Close()
	if err := node.Ask(map[string]any{"files": files, "values": json.RawMessage(skeletonValues)}, nil); err != nil {
		return row{}, err
	}
	took, err := medians(ctx, samples, gildway, func(context.Context) error { return node.Ask(map[string]any{}, &theirs) })
	if err != nil {
		return row{}, err
	}
	if ours != theirs {
		return row{}, fmt.Errorf("the skeleton renders differently in Node: %s, not %s", theirs, ours)
	}
	return held(what, took[0], took[1], "in Node with nunjitsu", samples), nil
}

func renderSkeleton(ctx context.Context, files []skeletonFile, values any) (string, error) {
	env := &expr.Env{Vars: expr.NewObject("values", values)}
	hash := sha256.New()
	for _, f := range files {
		for _, source := range []string{f.Path, f.Content} {
			t, err := expr.Parse(source, expr.Options{})
			if err != nil {
				return "", err
			}
			text, err := t.Render(ctx, env)
			if err != nil {
				return "", err
			}
			hash.Write([]byte(text))
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
