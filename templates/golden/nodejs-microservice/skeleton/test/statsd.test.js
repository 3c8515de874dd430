import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { createStatsd } from '../src/statsd.js';

test('metrics reach the agent with the tags of the service', async t => {
  const agent = dgram.createSocket('udp4');
  agent.bind(0, '127.0.0.1');
  await once(agent, 'listening');
  t.after(() => agent.close());

  const statsd = createStatsd({
    statsd: { host: '127.0.0.1', port: agent.address().port },
    service: 's',
    environment: 'test',
    version: '1',
  });
  t.after(() => statsd.close());
  statsd.increment('http.server.requests', ['route:/']);
  const [message] = await once(agent, 'message');
  assert.equal(message.toString(), 'http.server.requests:1|c|#service:s,env:test,version:1,route:/');
});

test('without an agent nothing is sent', () => {
  const statsd = createStatsd({ statsd: { host: '' } });
  statsd.increment('x');
  statsd.timing('x', 1);
  statsd.close();
});
