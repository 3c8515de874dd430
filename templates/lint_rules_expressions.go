package templates

// expressionRules are about what stands in ${{ }}.
var expressionRules = []Rule{{
	ID: "bad-expression", Title: "An expression that can't be read", V3: Error, Beta: Advised,
	Why:  "Backstage says nothing and uses the raw text, braces and all, as the value.",
	Bad:  "steps:\n  - { action: debug:log, input: { message: \"${{ user.ref && 'x' }}\" } }\n",
	Good: "steps:\n  - { action: debug:log, input: { message: \"${{ user.ref and 'x' }}\" } }\n",
}, {
	ID: "unknown-name", Title: "A name that expressions don't know", V3: Error, Beta: Advised, Named: true,
	Why:  "Expressions see parameters, steps, user, context, environment, secrets and each. Anything else, or anything else in user, context, environment and each, is undefined: its key disappears, or nothing stands in the text.",
	Bad:  "parameters:\n  properties:\n    name: { type: string }\nsteps:\n  - { action: debug:log, input: { message: \"${{ paramters.name }}${{ parameters.name }}\" } }\n",
	Good: "parameters:\n  properties:\n    name: { type: string }\nsteps:\n  - { action: debug:log, input: { message: \"${{ parameters.name }}\" } }\n",
}, {
	ID: "unknown-parameter", Title: "A parameter that no page asks for", V3: Error, Beta: Advised, Named: true,
	Why:  "It is undefined in every run.",
	Bad:  "parameters:\n  properties:\n    name: { type: string }\nsteps:\n  - { action: debug:log, input: { message: \"${{ parameters.nam }} ${{ parameters.name }}\" } }\n",
	Good: "parameters:\n  properties:\n    name: { type: string }\nsteps:\n  - { action: debug:log, input: { message: \"${{ parameters.name }}\" } }\n",
}, {
	ID: "unknown-step", Title: "A step that doesn't exist", V3: Error, Beta: Advised, Named: true,
	Why:  "Its output is undefined in every run.",
	Bad:  "steps:\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, input: { message: \"${{ steps.lok.output.entity }}\" } }\n",
	Good: "steps:\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, input: { message: \"${{ steps.look.output.entity }}\" } }\n",
}, {
	ID: "dashed-step-id", Title: "A step id with a dash read by a dot", Beta: Advised, Named: true,
	Why:  "steps.my-step.output is a subtraction in v1beta3. v3 reads it as it looks.",
	Bad:  "steps:\n  - { id: look-up, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, input: { message: \"${{ steps.look-up.output.entity }}\" } }\n",
	Good: "steps:\n  - { id: look-up, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, input: { message: \"${{ steps['look-up'].output.entity }}\" } }\n",
}, {
	ID: "unknown-output", Title: "An output that the action doesn't have", V3: Error, Beta: Advised, Named: true,
	Why:  "It is undefined in every run.",
	Bad:  "steps:\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, input: { message: \"${{ steps.look.output.entitty }}\" } }\n",
	Good: "steps:\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, input: { message: \"${{ steps.look.output.entity }}\" } }\n",
}, {
	ID: "unknown-filter", Title: "A filter that doesn't exist", V3: Error, Beta: Advised, Named: true,
	Why:  "Backstage says nothing and uses the raw text as the value.",
	Bad:  "steps:\n  - { action: debug:log, input: { message: \"${{ user.ref | uper }}\" } }\n",
	Good: "steps:\n  - { action: debug:log, input: { message: \"${{ user.ref | upper }}\" } }\n",
}, {
	ID: "unknown-test", Title: "A test that doesn't exist", V3: Error, Beta: Advised, Named: true,
	Why:  "Backstage says nothing and uses the raw text as the value.",
	Bad:  "steps:\n  - { action: debug:log, if: \"${{ user.entity is definde }}\" }\n",
	Good: "steps:\n  - { action: debug:log, if: \"${{ user.entity is defined }}\" }\n",
}, {
	ID: "unknown-function", Title: "A function that doesn't exist", V3: Error, Beta: Advised, Named: true,
	Why: "Backstage says nothing and uses the raw text as the value. There are always, failure, range, cycler and joiner.",
	Bad: "steps:\n  - { action: debug:log, if: \"${{ failed() }}\" }\n", Good: "steps:\n  - { action: debug:log, if: \"${{ failure() }}\" }\n",
}, {
	ID: "unknown-method", Title: "A method that no value has", V3: Error, Beta: Advised, Named: true,
	Why:  "Values have a closed list of JavaScript's methods; another one makes Backstage use the raw text as the value.",
	Bad:  "steps:\n  - { action: debug:log, input: { message: \"${{ user.ref.toUppercase() }}\" } }\n",
	Good: "steps:\n  - { action: debug:log, input: { message: \"${{ user.ref.toUpperCase() }}\" } }\n",
}, {
	ID: "undefined-secret", Title: "A secret where there are none", V3: Error, Beta: Advised,
	Why:  "Secrets are seen by the input and `each` of a step, and by `if` only if the step has `each`. In a plain `if` and in the output they are undefined.",
	Bad:  "secrets: { schema: { properties: { key: { type: string } } } }\nsteps:\n  - { action: debug:log, if: \"${{ secrets.key }}\" }\n",
	Good: "secrets: { schema: { properties: { key: { type: string } } } }\nsteps:\n  - { action: debug:log, input: { message: \"${{ secrets.key }}\" } }\n",
}, {
	ID: "undeclared-secret", Title: "A secret that nobody is asked for", V3: Advised, Beta: Advised, Named: true,
	Why:  "Declared in spec.secrets.schema it is checked when the form is submitted; otherwise the step finds out.",
	Bad:  "steps:\n  - { action: debug:log, input: { message: \"${{ secrets.key }}\" } }\n",
	Good: "secrets: { schema: { properties: { key: { type: string } } } }\nsteps:\n  - { action: debug:log, input: { message: \"${{ secrets.key }}\" } }\n",
}, {
	ID: "templated-key", Title: "An expression in a key", V3: Advised, Beta: Advised,
	Why:   "Only values are evaluated; the key keeps its braces.",
	Bad:   "steps:\n  - action: fetch:template\n    input: { url: ./skeleton, values: { \"${{ user.ref }}\": 1 } }\n",
	Good:  "steps:\n  - action: fetch:template\n    input: { url: ./skeleton, values: { user: \"${{ user.ref }}\" } }\n",
	Files: map[string]string{"skeleton/a": "${{ values.user or '' }}"},
}, {
	ID: "shadowed-name", Title: "A name that hides what expressions read", V3: Advised, Beta: Advised,
	Why:  "After `{% set steps = … %}` the outputs of the steps can't be read any more in that value.",
	Bad:  "steps:\n  - { action: debug:log, input: { message: \"{% set user = 1 %}${{ user }}\" } }\n",
	Good: "steps:\n  - { action: debug:log, input: { message: \"{% set number = 1 %}${{ number }}\" } }\n",
}, {
	ID: "compared-kinds", Title: "A comparison of values of different kinds", V3: Advised, Beta: Advised,
	Why:  "true does not equal \"true\", as in JavaScript: the condition is decided before the run.",
	Bad:  "parameters:\n  properties:\n    docs: { type: boolean }\nsteps:\n  - { action: debug:log, if: \"${{ parameters.docs == 'true' }}\" }\n",
	Good: "parameters:\n  properties:\n    docs: { type: boolean }\nsteps:\n  - { action: debug:log, if: \"${{ parameters.docs == true }}\" }\n",
}, {
	ID: "unknown-choice", Title: "A comparison with what the form doesn't offer", V3: Advised, Beta: Advised, Named: true,
	Why:  "The parameter has an enum, and this value is not in it: the condition is decided before the run.",
	Bad:  "parameters:\n  properties:\n    size: { type: string, enum: [small, large] }\nsteps:\n  - { action: debug:log, if: \"${{ parameters.size == 'larg' }}\" }\n",
	Good: "parameters:\n  properties:\n    size: { type: string, enum: [small, large] }\nsteps:\n  - { action: debug:log, if: \"${{ parameters.size == 'large' }}\" }\n",
}}

// conditionRules are about `if`.
var conditionRules = []Rule{{
	ID: "constant-condition", Title: "A condition that is decided before the run", V3: Advised, Beta: Advised,
	Why: "A text without ${{ }}, with anything around it, or in quotes inside it is true whatever it says: \"false\", \"always()\" and \" ${{ false }}\" all are.",
	Bad: "steps:\n  - { action: debug:log, if: \"always()\" }\n", Good: "steps:\n  - { action: debug:log, if: \"${{ always() }}\" }\n",
}, {
	ID: "text-condition", Title: "A condition that comes to a text", V3: Advised, Beta: Advised,
	Why:  "Only a sole ${{ }} keeps its value; two of them, or a {% if %}, come to a text, in which even \"false\" is true.",
	Bad:  "parameters:\n  properties:\n    a: { type: boolean }\n    b: { type: boolean }\nsteps:\n  - { action: debug:log, if: \"${{ parameters.a }}${{ parameters.b }}\" }\n",
	Good: "parameters:\n  properties:\n    a: { type: boolean }\n    b: { type: boolean }\nsteps:\n  - { action: debug:log, if: \"${{ parameters.a and parameters.b }}\" }\n",
}}
