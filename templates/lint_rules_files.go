package templates

const fetchSkeleton = "steps:\n  - action: fetch:template\n    input: { url: ./skeleton, values: { name: \"${{ user.ref }}\" } }\n"

// fileRules are about the files that steps render.
var fileRules = []Rule{{
	ID: "no-skeleton", Title: "A folder or file that is not beside the template", V3: Advised, Beta: Advised, Named: true,
	Why: "The step fails when it looks for it.",
	Bad: "steps:\n  - { action: fetch:template, input: { url: ./skelton } }\n", Good: "steps:\n  - { action: fetch:template, input: { url: ./skeleton } }\n",
	Files: map[string]string{"skeleton/README.md": "Hello"},
}, {
	ID: "skeleton-syntax", Title: "A file that can't be rendered", V3: Advised, Beta: Advised,
	Why: "In a file nothing is swallowed: the step fails. Template syntax of another language belongs in {% raw %} or in copyWithoutTemplating.",
	Bad: fetchSkeleton, Good: fetchSkeleton,
	Files: map[string]string{"skeleton/README.md": "${{ values.name", "good/skeleton/README.md": "${{ values.name }}"},
}, {
	ID: "skeleton-name", Title: "A name that files don't see", V3: Advised, Beta: Advised,
	Why: "Files see only `values` (`cookiecutter` in the compatible mode), not parameters, steps, secrets or user; and of functions only range, cycler and joiner.",
	Bad: fetchSkeleton, Good: fetchSkeleton,
	Files: map[string]string{"skeleton/README.md": "${{ values.name }} ${{ parameters.name }}", "good/skeleton/README.md": "${{ values.name }}"},
}, {
	ID: "eaten-expression", Title: "A workflow expression that rendering eats", V3: Advised, Beta: Advised,
	Why: "GitHub's workflows are written with the same braces. Rendered, ${{ secrets.TOKEN }} becomes nothing, and the new repository's workflow fails.",
	Bad: fetchSkeleton, Good: fetchSkeleton,
	Files: map[string]string{
		"skeleton/.github/workflows/ci.yaml":      "name: ${{ values.name }}\nenv: { TOKEN: \"${{ secrets.TOKEN }}\" }\n",
		"good/skeleton/.github/workflows/ci.yaml": "name: ${{ values.name }}\nenv: { TOKEN: \"{% raw %}${{ secrets.TOKEN }}{% endraw %}\" }\n",
	},
}, {
	ID: "missing-value", Title: "A value that a file reads and the step doesn't pass", V3: Advised, Beta: Advised, Named: true,
	Why: "Nothing stands in its place. A value that a file tests for, or has a default for, may be left out.",
	Bad: fetchSkeleton, Good: fetchSkeleton,
	Files: map[string]string{"skeleton/README.md": "${{ values.name }} by ${{ values.owner }}", "good/skeleton/README.md": "${{ values.name }} by ${{ values.owner | default('us') }}"},
}, {
	ID: "unused-value", Title: "A value that no file reads", V3: Advised, Beta: Advised,
	Why: "Often a file misspells it, or the value has outlived its use.",
	Bad: fetchSkeleton, Good: fetchSkeleton,
	Files: map[string]string{"skeleton/README.md": "Hello", "good/skeleton/README.md": "${{ values.name }}"},
}}
