const WEIGHT = { debug: 10, info: 20, warn: 30, error: 40 };

/**
 * A logger that writes one JSON object a line, with the fields by which Datadog joins logs, metrics and
 * traces of a service.
 */
export function createLogger({ service, environment, version, logLevel = 'info' }, write = line => process.stdout.write(line)) {
  const threshold = WEIGHT[logLevel];
  const log = (level, message, fields = {}) => {
    if (WEIGHT[level] < threshold) return;
    const { error, ...rest } = fields;
    const entry = {
      timestamp: new Date().toISOString(),
      level,
      message,
      'dd.service': service,
      'dd.env': environment,
      'dd.version': version,
      ...rest,
    };
    if (error) {
      entry['error.kind'] = error.name;
      entry['error.message'] = error.message;
      entry['error.stack'] = error.stack;
    }
    write(`${JSON.stringify(entry)}\n`);
  };
  return {
    debug: (message, fields) => log('debug', message, fields),
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    error: (message, fields) => log('error', message, fields),
  };
}
