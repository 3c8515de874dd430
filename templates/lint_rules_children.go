package templates

// childRules are about steps that run other templates.
var childRules = []Rule{{
	ID: "bad-child", Title: "A template that can't be one", V3: Error, Beta: Error,
	Why:  "template:run takes the ref of a template.",
	Bad:  "steps:\n  - { action: \"template:run\", input: { template: \"component:default/shop\" } }\n",
	Good: "steps:\n  - { action: \"template:run\", input: { template: \"template:default/shop\" } }\n",
}, {
	ID: "runs-itself", Title: "A template that runs itself", V3: Error, Beta: Error,
	Why:  "It would never end. With a condition it may, and is only warned of: more than five tasks don't run each other.",
	Bad:  "steps:\n  - { action: \"template:run\", input: { template: example } }\n",
	Good: "steps:\n  - { action: \"template:run\", input: { template: other } }\n",
}, {
	ID: "secret-in-child", Title: "A secret that is passed on", V3: Error, Beta: Error,
	Why:  "The values of a task are kept and shown. A task that a step runs has no secrets of its own.",
	Bad:  "secrets: { schema: { properties: { key: { type: string } } } }\nsteps:\n  - { action: \"template:run\", input: { template: other, values: { key: \"${{ secrets.key }}\" } } }\n",
	Good: "steps:\n  - { action: \"template:run\", input: { template: other, values: { key: \"${{ user.ref }}\" } } }\n",
}}
