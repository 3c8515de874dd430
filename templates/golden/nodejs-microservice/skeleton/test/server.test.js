import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../src/config.js';
import { startServer } from '../src/server.js';

async function start(t, checks) {
  const metrics = [];
  const errors = [];
  const logger = { debug() {}, info() {}, warn() {}, error: (message, fields) => errors.push(fields.error) };
  const statsd = { increment: (metric, tags) => metrics.push([metric, tags]), timing() {}, close() {} };
  const config = { ...loadConfig({}), host: '127.0.0.1', port: 0, shutdownTimeoutMs: 2000 };
  const server = await startServer({ config, logger, statsd, checks });
  t.after(() => server.stop());
  const get = (path, options) => fetch(`http://127.0.0.1:${server.port}${path}`, options);
  return { server, get, metrics, errors };
}

test('GET / says who answers', async t => {
  const { get } = await start(t);
  const res = await get('/');
  assert.equal(res.status, 200);
  assert.equal((await res.json()).service, ${{ values.name | dump }});
});

test('the probes answer', async t => {
  const { get } = await start(t, { database: async () => {} });
  assert.equal((await get('/healthz')).status, 200);
  const ready = await get('/readyz');
  assert.equal(ready.status, 200);
  assert.deepEqual(await ready.json(), { status: 'ready' });
});

test('a failing check makes the service alive but not ready', async t => {
  const { get } = await start(t, {
    database: async () => {
      throw new Error('down');
    },
    cache: async () => {},
  });
  assert.equal((await get('/healthz')).status, 200);
  const ready = await get('/readyz');
  assert.equal(ready.status, 503);
  assert.deepEqual(await ready.json(), { status: 'not ready', failed: ['database'] });
});

test('a draining service is not ready and still answers', async t => {
  const { server, get } = await start(t);
  server.drain();
  assert.equal((await get('/readyz')).status, 503);
  assert.equal((await get('/')).status, 200);
});

test('unknown paths and methods are refused', async t => {
  const { get } = await start(t);
  assert.equal((await get('/nowhere')).status, 404);
  assert.equal((await get('/toString')).status, 404);
  assert.equal((await get('//')).status, 404);
  assert.equal((await get('/?verbose=1')).status, 200);
  const res = await get('/', { method: 'DELETE' });
  assert.equal(res.status, 405);
  assert.equal(res.headers.get('allow'), 'GET');
});

test('a request id is kept if it is harmless and made up if not', async t => {
  const { get } = await start(t);
  const kept = await get('/', { headers: { 'x-request-id': 'abc-1' } });
  assert.equal(kept.headers.get('x-request-id'), 'abc-1');
  const made = await get('/', { headers: { 'x-request-id': 'a b"c' } });
  assert.match(made.headers.get('x-request-id'), /^[0-9a-f-]{36}$/);
});

test('every request is counted', async t => {
  const { get, metrics } = await start(t);
  await get('/');
  await get('/nowhere');
  assert.deepEqual(metrics, [
    ['http.server.requests', ['route:/', 'method:GET', 'status_class:2xx']],
    ['http.server.requests', ['route:unknown', 'method:GET', 'status_class:4xx']],
  ]);
});

test('stopping twice is stopping once', async t => {
  const { server, get } = await start(t);
  await get('/');
  await Promise.all([server.stop(), server.stop()]);
  await assert.rejects(get('/'));
});
