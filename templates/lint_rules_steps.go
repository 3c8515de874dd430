package templates

// stepRules are about what the steps do and in which order.
var stepRules = []Rule{{
	ID: "bad-id", Title: "An id that steps can't have", V3: Error, Beta: Error,
	Why: "In v3 an id begins with a letter; letters, digits, `-` and `_` follow, 63 characters at most. v1beta3 only refuses slashes, control characters and more than 200 characters.",
	Bad: "steps:\n  - { id: \"a/b\", action: debug:log }\n", Good: "steps:\n  - { id: a-b, action: debug:log }\n",
}, {
	ID: "duplicate-step-id", Title: "Two steps of one id", V3: Error, Beta: Error,
	Why:  "An output is found by the id of its step.",
	Bad:  "steps:\n  - { id: hello, action: debug:log }\n  - { id: hello, action: debug:log }\n",
	Good: "steps:\n  - { id: hello, action: debug:log }\n  - { id: bye, action: debug:log }\n",
}, {
	ID: "unknown-action", Title: "An action that doesn't exist", V3: Error, Beta: Advised, Named: true,
	Why: "The step could never run. In v1beta3 it fails when a run gets to it, as in Backstage, and one that is skipped does no harm.",
	Bad: "steps:\n  - { action: debug:lgo }\n", Good: "steps:\n  - { action: debug:log }\n",
}, {
	ID: "input-schema", Title: "An input that the action refuses", V3: Error, Beta: Advised,
	Why: "Inputs are checked against the action's schema, and by the action, before it does anything; a misspelt one fails the step. Values with expressions are checked when they are known.",
	Bad: "steps:\n  - action: debug:log\n    input: { mesage: Hello }\n", Good: "steps:\n  - action: debug:log\n    input: { message: Hello }\n",
}, {
	ID: "input-without-effect", Title: "An input that changes nothing", V3: Advised, Beta: Advised,
	Why:   "copyWithoutRender is accepted and not read, as in Backstage; a pattern or file extension that selects no file protects nothing.",
	Bad:   "steps:\n  - action: fetch:template\n    input: { url: ./skeleton, copyWithoutRender: [\"*.svg\"] }\n",
	Good:  "steps:\n  - action: fetch:template\n    input: { url: ./skeleton, copyWithoutTemplating: [\"*.svg\"] }\n",
	Files: map[string]string{"skeleton/logo.svg": "<svg/>"},
}, {
	ID: "conflicting-inputs", Title: "Inputs that exclude each other", V3: Advised, Beta: Advised,
	Why:   "fetch:template fails when templateFileExtension is given together with copyWithoutTemplating or cookiecutterCompat.",
	Bad:   "steps:\n  - action: fetch:template\n    input: { url: ./skeleton, templateFileExtension: true, cookiecutterCompat: true }\n",
	Good:  "steps:\n  - action: fetch:template\n    input: { url: ./skeleton, templateFileExtension: true }\n",
	Files: map[string]string{"skeleton/a.txt.njk": "a"},
}, {
	ID: "bad-duration", Title: "A duration that can't be read", V3: Error,
	Why: "Durations are written like 90s, 15m, 12h or 30d and are more than zero.",
	Bad: "steps:\n  - { action: debug:log, timeout: 30 }\n", Good: "steps:\n  - { action: debug:log, timeout: 30s }\n",
}, {
	ID: "lease-without-undo", Title: "A lease on what can't be undone", V3: Error,
	Why:  "A lease ends by undoing the step.",
	Bad:  "steps:\n  - action: debug:log\n    lease: { ttl: 30d }\n",
	Good: "steps:\n  - action: okta:group:add-member\n    input: { group: llm-users }\n    lease: { ttl: 30d }\n",
}, {
	ID: "bad-lease", Title: "A lease that contradicts itself", V3: Error,
	Why:  "maxTtl and approvers are about renewals, so they need `renewable: true`. Approvers are users and groups.",
	Bad:  "steps:\n  - action: okta:group:add-member\n    input: { group: llm-users }\n    lease: { ttl: 30d, maxTtl: 90d }\n",
	Good: "steps:\n  - action: okta:group:add-member\n    input: { group: llm-users }\n    lease: { ttl: 30d, renewable: true, maxTtl: 90d }\n",
}, {
	ID: "bad-needs", Title: "Needs that can't be met", V3: Error,
	Why: "`needs` is a list of ids of other steps, and a template that runs one step after the other can't wait for a later one.",
	Bad: "steps:\n  - { id: a, action: debug:log, needs: [a] }\n", Good: "steps:\n  - { id: a, action: debug:log }\n  - { id: b, action: debug:log, needs: [a] }\n",
}, {
	ID: "redundant-needs", Title: "Needs that repeat what data says", V3: Advised,
	Why:  "A step waits for every step whose output it reads. Saying it again hides the order that is really only wanted, and stays when the data goes.",
	Bad:  "steps:\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - id: say\n    action: debug:log\n    needs: [look]\n    input: { message: \"${{ steps.look.output.entity.metadata.name }}\" }\n",
	Good: "steps:\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - id: say\n    action: debug:log\n    input: { message: \"${{ steps.look.output.entity.metadata.name }}\" }\n",
}, {
	ID: "later-step", Title: "The output of a step that has not run yet", V3: Error, Beta: Advised,
	Why:  "Steps that run one after the other see only what came before; there is nothing there yet, ever.",
	Bad:  "execution: sequential\nsteps:\n  - { action: debug:log, input: { message: \"${{ steps.look.output.entity }}\" } }\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n",
	Good: "execution: sequential\nsteps:\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, input: { message: \"${{ steps.look.output.entity }}\" } }\n",
}, {
	ID: "too-many-edges", Title: "More reasons to wait than a plan holds", V3: Error, Beta: Error,
	Why: "A run keeps its whole plan. One step that waits for many, and `needs` of that one, says the same in fewer edges.",
}, {
	ID: "bad-switch", Title: "A switch that is none", V3: Error,
	Why:  "A switch has named branches and does nothing else: no action, no input, no each.",
	Bad:  "steps:\n  - id: size\n    switch: {}\n",
	Good: "steps:\n  - id: size\n    switch:\n      known: { if: \"${{ user.entity }}\", steps: [{ action: debug:log }] }\n",
}, {
	ID: "unreachable-branch", Title: "A branch that no run gets to", V3: Error,
	Why:  "Branches are asked in file order, and one before it has no condition.",
	Bad:  "steps:\n  - id: size\n    switch:\n      other: { steps: [{ action: debug:log }] }\n      known: { if: \"${{ user.entity }}\", steps: [{ action: debug:log }] }\n",
	Good: "steps:\n  - id: size\n    switch:\n      known: { if: \"${{ user.entity }}\", steps: [{ action: debug:log }] }\n      other: { steps: [{ action: debug:log }] }\n",
}, {
	ID: "other-branch", Title: "A step in another branch of the same switch", V3: Error,
	Why:  "Only one branch runs: what the other one gives is never there.",
	Bad:  "steps:\n  - id: size\n    switch:\n      known:\n        if: ${{ user.entity }}\n        steps: [{ id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }]\n      other: { steps: [{ action: debug:log, input: { message: \"${{ steps.look.output.entity }}\" } }] }\n",
	Good: "steps:\n  - { id: look, action: catalog:fetch, input: { entityRef: \"component:default/a\" } }\n  - id: size\n    switch:\n      known: { if: \"${{ user.entity }}\", steps: [{ action: debug:log }] }\n      other: { steps: [{ action: debug:log, input: { message: \"${{ steps.look.output.entity }}\" } }] }\n",
}, {
	ID: "undo-impossible", Title: "An undo of what can't be undone", V3: Error,
	Why:  "The action has no undo; undo: true can't be kept.",
	Bad:  "steps:\n  - { action: debug:log, undo: true }\n",
	Good: "steps:\n  - { action: debug:log, undo: false }\n",
}, {
	ID: "concurrency-without-each", Title: "A concurrency of one", V3: Advised,
	Why:  "concurrency bounds how many items of a loop run at once; without `each` there is one.",
	Bad:  "steps:\n  - { action: debug:log, concurrency: 2 }\n",
	Good: "steps:\n  - { action: debug:log, each: [a, b], concurrency: 2, input: { message: \"${{ each.value }}\" } }\n",
}, {
	ID: "gate-goes-on", Title: "An approval whose refusal stops nothing", V3: Advised,
	Why:  "With onError: continue what follows runs even if the approval is refused, unless its condition asks for steps.<id>.error.",
	Bad:  "steps:\n  - { id: ok, action: approval:request, onError: continue, input: { approvers: [\"group:default/ml\"], reason: Access } }\n",
	Good: "steps:\n  - { id: ok, action: approval:request, input: { approvers: [\"group:default/ml\"], reason: Access } }\n",
}, {
	ID: "skippable-approval", Title: "An approval that can be skipped", V3: Error,
	Why:  "Whoever may skip a step would approve. What needs nobody's approval says so with autoApprove.",
	Bad:  "steps:\n  - { id: ok, action: approval:request, skippable: true, input: { approvers: [\"group:default/ml\"], reason: Access } }\n",
	Good: "steps:\n  - { id: ok, action: approval:request, input: { approvers: [\"group:default/ml\"], reason: Access } }\n",
}, {
	ID: "skippable-is-read", Title: "The output of a step that people may skip", V3: Advised,
	Why:  "A step that was skipped has no output. What reads it all the same has a condition, so that it is skipped, too, or a default.",
	Bad:  "steps:\n  - { id: look, action: catalog:fetch, skippable: true, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, input: { message: \"${{ steps.look.output.entity.kind }}\" } }\n",
	Good: "steps:\n  - { id: look, action: catalog:fetch, skippable: true, input: { entityRef: \"component:default/a\" } }\n  - { action: debug:log, if: \"${{ steps.look.output }}\", input: { message: \"${{ steps.look.output.entity.kind }}\" } }\n",
}, {
	ID: "cycle", Title: "Steps that wait for each other", V3: Error,
	Why:  "None of them would ever start.",
	Bad:  "steps:\n  - { id: a, action: debug:log, needs: [b] }\n  - { id: b, action: debug:log, needs: [a] }\n",
	Good: "steps:\n  - { id: a, action: debug:log }\n  - { id: b, action: debug:log, needs: [a] }\n",
}, {
	ID: "effect-before-gate", Title: "An effect that no approval holds back", V3: Advised, Beta: Advised,
	Why:  "What stands above an approval in the file, or has needs of its own below it, happens whatever people decide. A step whose output the approval reads is not meant.",
	Bad:  "steps:\n  - { id: grant, action: okta:group:add-member, input: { group: llm-users } }\n  - { id: ok, action: approval:request, input: { approvers: [\"group:default/ml\"], reason: Access } }\n",
	Good: "steps:\n  - { id: ok, action: approval:request, input: { approvers: [\"group:default/ml\"], reason: Access } }\n  - { id: grant, action: okta:group:add-member, input: { group: llm-users } }\n",
}, {
	ID: "bad-each", Title: "A loop over a text", V3: Advised, Beta: Advised,
	Why:  "`each` goes through a list or a mapping. A text, which is also what anything around ${{ }} makes of it, fails the step.",
	Bad:  "parameters:\n  properties:\n    names: { type: array }\nsteps:\n  - action: debug:log\n    each: \" ${{ parameters.names }}\"\n    input: { message: \"${{ each.value }}\" }\n",
	Good: "parameters:\n  properties:\n    names: { type: array }\nsteps:\n  - action: debug:log\n    each: ${{ parameters.names }}\n    input: { message: \"${{ each.value }}\" }\n",
}, {
	ID: "each-outside-loop", Title: "each where nothing is gone through", V3: Error, Beta: Advised,
	Why:  "each.key and each.value exist in the input and the condition of a step that has `each`; elsewhere they are undefined.",
	Bad:  "steps:\n  - { action: debug:log, input: { message: \"${{ each.value }}\" } }\n",
	Good: "steps:\n  - { action: debug:log, each: [a, b], input: { message: \"${{ each.value }}\" } }\n",
}, {
	ID: "loop-output", Title: "The output of a loop read as if it ran once", V3: Advised, Beta: Advised,
	Why:  "Each output of a step with `each` is a list, one item for each time it ran.",
	Bad:  "steps:\n  - { id: look, action: catalog:fetch, each: [a, b], input: { entityRef: \"component:default/${{ each.value }}\" } }\n  - { action: debug:log, input: { message: \"${{ steps.look.output.entity.kind }}\" } }\n",
	Good: "steps:\n  - { id: look, action: catalog:fetch, each: [a, b], input: { entityRef: \"component:default/${{ each.value }}\" } }\n  - { action: debug:log, input: { message: \"${{ steps.look.output.entity[0].kind }}\" } }\n",
}}
