import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../src/config.js';

test('defaults are enough to start', () => {
  const config = loadConfig({});
  assert.equal(config.service, ${{ values.name | dump }});
  assert.equal(config.port, 8080);
  assert.equal(config.logLevel, 'info');
});

test('the environment overrides the defaults', () => {
  const config = loadConfig({ PORT: '3000', DD_ENV: 'production', DD_VERSION: '1.2.3', DD_AGENT_HOST: '10.0.0.1' });
  assert.equal(config.port, 3000);
  assert.equal(config.environment, 'production');
  assert.equal(config.version, '1.2.3');
  assert.deepEqual(config.statsd, { host: '10.0.0.1', port: 8125 });
});

test('all problems are reported at once', () => {
  assert.throws(
    () => loadConfig({ PORT: 'eighty', LOG_LEVEL: 'loud', SHUTDOWN_TIMEOUT_MS: '-1' }),
    error => /PORT/.test(error.message) && /LOG_LEVEL/.test(error.message) && /SHUTDOWN_TIMEOUT_MS/.test(error.message),
  );
});
