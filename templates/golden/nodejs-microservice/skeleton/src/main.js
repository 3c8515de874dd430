import { loadConfig } from './config.js';
import { createLogger } from './logger.js';
import { startServer } from './server.js';
import { createStatsd } from './statsd.js';

const config = loadConfig();
const logger = createLogger(config);
const server = await startServer({ config, logger, statsd: createStatsd(config) });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    logger.info('stopping', { signal });
    await server.stop();
  });
}
