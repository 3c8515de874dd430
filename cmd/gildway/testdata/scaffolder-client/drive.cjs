// Drives every method of Backstage's own ScaffolderClient against a running Gildway. Whatever it does not find as it
// should be ends it with an error.
'use strict';

const assert = require('node:assert/strict');
const { ScaffolderClient } = require('@backstage/plugin-scaffolder-common');

// What its event stream takes from a browser.
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
globalThis.window = { setTimeout, clearTimeout, fetch };

const { GILDWAY_API, GILDWAY_TOKEN, GILDWAY_USER, GILDWAY_TEAM, GITHUB_TOKEN } = process.env;
const service = 'template:default/nodejs-microservice';
const access = 'template:default/request-llm-gateway-access';
const none = { list: () => [] };

const client = (options = {}) =>
  new ScaffolderClient({
    discoveryApi: { getBaseUrl: async plugin => `${GILDWAY_API}/api/${plugin}` },
    fetchApi: {
      fetch: (url, init = {}) => fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${GILDWAY_TOKEN}` } }),
    },
    identityApi: { getBackstageIdentity: async () => ({ type: 'user', userEntityRef: GILDWAY_USER, ownershipEntityRefs: [] }) },
    scmIntegrationsApi: {
      azure: none, bitbucketCloud: none, bitbucketServer: none, gerrit: none, gitea: none, gitlab: none,
      github: { list: () => [{ type: 'github', title: 'GitHub', config: { host: 'github.com' } }] },
    },
    ...options,
  });

// follow gives the events of a task up to the first that `last` is true for, or to their end.
const follow = (api, request, last = () => false) =>
  new Promise((resolve, reject) => {
    const events = [];
    const subscription = api.streamLogs(request).subscribe({
      next(event) {
        events.push(event);
        if (last(event)) {
          subscription.unsubscribe();
          resolve(events);
        }
      },
      error: reject,
      complete: () => resolve(events),
    });
  });

const values = tokens => ({ useCase: 'Summarise what customers write', team: GILDWAY_TEAM, monthlyTokens: tokens });
const waits = event => event.body.stepId === 'approval' && event.body.status === 'processing';
const told = events => events.map(({ id, type, body }) => ({ id, type, body }));

const checks = {
  async getTemplateParameterSchema(api) {
    const form = await api.getTemplateParameterSchema(service);
    assert.equal(form.title, 'Node.js Microservice (Golden Path)');
    assert.deepEqual(form.steps[0].schema.required, ['name', 'owner', 'description']);
    await assert.rejects(api.getTemplateParameterSchema('template:default/nowhere'), e => e.statusCode === 404 && e.body.error.name === 'NotFoundError');
  },
  async listActions(api) {
    const ids = (await api.listActions()).map(action => action.id);
    assert.ok(ids.includes('publish:github') && ids.includes('approval:request'));
    assert.deepEqual(ids, [...ids].sort());
  },
  async listTemplatingExtensions(api) {
    const { filters, globals } = await api.listTemplatingExtensions();
    assert.deepEqual(Object.keys(filters), ['parseRepoUrl', 'parseEntityRef', 'pick', 'projectSlug']);
    assert.deepEqual(globals, { functions: {}, values: {} });
  },
  async getIntegrationsList(api) {
    const { integrations } = await api.getIntegrationsList({ allowedHosts: ['github.com'] });
    assert.deepEqual(integrations, [{ type: 'github', title: 'GitHub', host: 'github.com' }]);
  },
  async autocomplete(api) {
    const ask = (token, resource, context = {}) => api.autocomplete({ token, provider: 'github', resource, context });
    const { results } = await ask(GITHUB_TOKEN, 'owners');
    assert.ok(results.some(({ id }) => id === 'acme-org'));
    assert.ok(Array.isArray((await ask(GITHUB_TOKEN, 'repositoriesWithOwner')).results));
    await assert.rejects(ask('wrong', 'owners'), e => e.statusCode === 401);
    await assert.rejects(ask(GITHUB_TOKEN, 'branches'), e => e.statusCode === 400);
  },
  async dryRun(api) {
    const result = await api.dryRun({
      template: {
        apiVersion: 'scaffolder.backstage.io/v1beta3', kind: 'Template', metadata: { name: 'tried' },
        spec: {
          type: 'service',
          parameters: { properties: { name: { type: 'string' } } },
          steps: [{ id: 'files', action: 'fetch:template', input: { url: './skeleton', values: { name: '${{ parameters.name }}' } } }],
          output: { text: [{ title: 'Done', content: '${{ parameters.name }}' }] },
        },
      },
      values: { name: 'shop' },
      secrets: {},
      directoryContents: [{ path: 'skeleton/README.md', base64Content: Buffer.from('# ${{ values.name }}').toString('base64') }],
    });
    const file = result.directoryContents.find(({ path }) => path === 'README.md');
    assert.equal(Buffer.from(file.base64Content, 'base64').toString(), '# shop');
    assert.equal(result.output.text[0].content, 'shop');
    assert.equal(result.steps[0].id, 'files');
    assert.ok(result.log.length > 0);
  },
  async 'scaffold, streamLogs, getTask, listTasks'(api) {
    const { taskId } = await api.scaffold({ templateRef: access, values: values(1000), secrets: {} });
    const events = await follow(api, { taskId, isTaskRecoverable: false });
    const end = events.at(-1);
    assert.equal(end.type, 'completion');
    assert.equal(end.body.error, undefined);
    assert.ok(end.body.output.text.length > 0);
    const polled = await follow(client({ useLongPollingLogs: true }), { taskId });
    assert.deepEqual(told(polled), told(events), 'long polling gives what the stream gives');
    const rest = await follow(api, { taskId, after: events[2].id });
    assert.deepEqual(told(rest), told(events.slice(3)));
    assert.deepEqual(told(await follow(api, { taskId, after: end.id })), told([end]), 'the completion comes again');

    const task = await api.getTask(taskId);
    assert.equal(task.status, 'completed');
    assert.equal(task.spec.user.ref, GILDWAY_USER);
    assert.equal(task.spec.templateInfo.entityRef, access);
    assert.ok(task.spec.steps.every(step => step.id && step.name));
    const owned = await api.listTasks({ filterByOwnership: 'owned', limit: 5, offset: 0 });
    assert.ok(owned.tasks.some(({ id }) => id === taskId));
    assert.ok(owned.totalTasks >= owned.tasks.length);
    const all = await api.listTasks({ filterByOwnership: 'all', limit: 0 });
    assert.deepEqual(all.tasks, []);
    await assert.rejects(api.getTask('00000000-0000-4000-8000-000000000000'), e => e.statusCode === 404);
    await assert.rejects(api.scaffold({ templateRef: access, values: {} }), /Backend request failed, 400/);
  },
  async 'cancelTask, retry'(api) {
    const { taskId } = await api.scaffold({ templateRef: access, values: values(9_000_000), secrets: {} });
    await follow(api, { taskId }, waits);
    await assert.rejects(api.retry(taskId), e => e.statusCode === 409 && e.body.error.name === 'ConflictError');
    assert.deepEqual(await api.cancelTask(taskId), { status: 'cancelled' });
    const cancelled = await follow(api, { taskId });
    assert.ok(cancelled.some(({ type }) => type === 'cancelled'));
    assert.ok(cancelled.at(-1).body.error.message);

    assert.deepEqual(await api.retry(taskId), { id: taskId });
    const again = await follow(api, { taskId, after: cancelled.at(-1).id }, waits);
    assert.equal(again[0].type, 'recovered');
    assert.ok(again.every(({ type }) => type !== 'completion'));
    await api.cancelTask(taskId);
    assert.equal((await follow(api, { taskId })).at(-1).type, 'completion');
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    await check(client());
    console.log(`ok: ${name}`);
  }
  const driven = Object.keys(checks).join(', ');
  const methods = Object.getOwnPropertyNames(ScaffolderClient.prototype)
    .filter(name => !['constructor', 'requestRequired', 'streamLogsEventStream', 'streamLogsPolling'].includes(name));
  for (const name of methods) assert.ok(driven.includes(name), `${name} is not driven`);
  process.exit(0); // an event stream that was left may still be closing
})().catch(error => {
  console.error(error);
  process.exit(1);
});
