const LEVELS = ['debug', 'info', 'warn', 'error'];

/**
 * Reads the configuration from the environment. Everything that is wrong is reported at once, before
 * the service accepts a single request.
 */
export function loadConfig(env = process.env) {
  const problems = [];
  const number = (name, fallback, max) => {
    const text = env[name] ?? String(fallback);
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0 || value > max) {
      problems.push(`${name} must be a whole number from 0 to ${max}, not "${text}"`);
    }
    return value;
  };

  const logLevel = env.LOG_LEVEL ?? 'info';
  if (!LEVELS.includes(logLevel)) {
    problems.push(`LOG_LEVEL must be one of ${LEVELS.join(', ')}, not "${logLevel}"`);
  }
  const config = {
    service: env.DD_SERVICE ?? ${{ values.name | dump }},
    environment: env.DD_ENV ?? 'development',
    version: env.DD_VERSION ?? '0.1.0',
    host: env.HOST ?? '0.0.0.0',
    port: number('PORT', 8080, 65535),
    shutdownTimeoutMs: number('SHUTDOWN_TIMEOUT_MS', 10_000, 300_000),
    logLevel,
    statsd: {
      host: env.DD_AGENT_HOST ?? '',
      port: number('DD_DOGSTATSD_PORT', 8125, 65535),
    },
  };
  if (problems.length > 0) {
    throw new Error(`The configuration is not usable:\n- ${problems.join('\n- ')}`);
  }
  return Object.freeze(config);
}
