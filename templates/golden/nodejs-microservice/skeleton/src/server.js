import http from 'node:http';
import { once } from 'node:events';
import { createApp } from './app.js';

/** Starts listening. The answer has the port that was bound and a stop that lets open requests finish. */
export async function startServer({ config, logger, statsd, checks }) {
  const app = createApp({ config, logger, statsd, checks });
  const server = http.createServer(app.listener);
  server.listen(config.port, config.host);
  await once(server, 'listening');
  const { port } = server.address();
  logger.info('listening', { host: config.host, port });

  let stopping;
  const stop = () => {
    stopping ??= (async () => {
      app.drain();
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const hurry = setTimeout(() => server.closeAllConnections(), config.shutdownTimeoutMs);
      await closed;
      clearTimeout(hurry);
      statsd.close();
      logger.info('stopped');
    })();
    return stopping;
  };
  return { port, stop, drain: app.drain };
}
