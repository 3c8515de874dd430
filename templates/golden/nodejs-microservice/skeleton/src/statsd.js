import dgram from 'node:dgram';

/**
 * Sends metrics to the Datadog agent by DogStatsD. Without an agent (no DD_AGENT_HOST) it does nothing.
 * Metrics are never worth a failed request: errors while sending are dropped.
 */
export function createStatsd({ statsd, service, environment, version }) {
  if (!statsd.host) {
    return { increment() {}, timing() {}, close() {} };
  }
  const socket = dgram.createSocket('udp4');
  socket.unref();
  socket.on('error', () => {});
  const common = [`service:${service}`, `env:${environment}`, `version:${version}`];

  const send = (metric, value, type, tags) => {
    const line = `${metric}:${value}|${type}|#${[...common, ...tags].join(',')}`;
    socket.send(line, statsd.port, statsd.host, () => {});
  };
  return {
    increment: (metric, tags = []) => send(metric, 1, 'c', tags),
    timing: (metric, milliseconds, tags = []) => send(metric, milliseconds.toFixed(3), 'd', tags),
    close: () => socket.close(),
  };
}
