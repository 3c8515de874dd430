import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../src/logger.js';

function capture(logLevel) {
  const lines = [];
  const logger = createLogger({ service: 's', environment: 'test', version: '1', logLevel }, line => lines.push(line));
  return { logger, lines };
}

test('one JSON object a line, with the fields that Datadog joins on', () => {
  const { logger, lines } = capture('info');
  logger.info('hello', { port: 1 });
  assert.equal(lines.length, 1);
  assert.ok(lines[0].endsWith('\n'));
  const entry = JSON.parse(lines[0]);
  assert.equal(entry.message, 'hello');
  assert.equal(entry.level, 'info');
  assert.equal(entry.port, 1);
  assert.equal(entry['dd.service'], 's');
  assert.equal(entry['dd.env'], 'test');
  assert.equal(entry['dd.version'], '1');
});

test('errors are written with their stack', () => {
  const { logger, lines } = capture('info');
  logger.error('failed', { error: new TypeError('no') });
  const entry = JSON.parse(lines[0]);
  assert.equal(entry['error.kind'], 'TypeError');
  assert.equal(entry['error.message'], 'no');
  assert.match(entry['error.stack'], /logger\.test\.js/);
});

test('what is below the level is not written', () => {
  const { logger, lines } = capture('warn');
  logger.debug('x');
  logger.info('x');
  logger.warn('y');
  assert.equal(lines.length, 1);
});
