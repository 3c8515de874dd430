import { randomUUID } from 'node:crypto';

const REQUEST_ID = /^[\w.-]{1,128}$/;

/**
 * The service without its network: a request listener and the state that the probes report. `checks`
 * are named functions that throw while the service can't do its work, for example because a database
 * does not answer.
 */
export function createApp({ config, logger, statsd, checks = {} }) {
  let draining = false;

  const routes = {
    '/': {
      GET: () => ({ status: 200, body: { service: config.service, version: config.version } }),
    },
    '/healthz': {
      GET: () => ({ status: 200, body: { status: 'ok' } }),
    },
    '/readyz': {
      GET: async () => {
        if (draining) return { status: 503, body: { status: 'draining' } };
        const failed = await failing(checks);
        if (failed.length > 0) return { status: 503, body: { status: 'not ready', failed } };
        return { status: 200, body: { status: 'ready' } };
      },
    },
  };

  async function answer(req, path) {
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (!route) return { status: 404, body: { error: 'not found' } };
    const method = req.method === 'HEAD' ? 'GET' : req.method;
    if (!Object.hasOwn(route, method)) {
      return { status: 405, body: { error: 'method not allowed' }, headers: { allow: Object.keys(route).join(', ') } };
    }
    return route[method](req);
  }

  async function listener(req, res) {
    const started = process.hrtime.bigint();
    const given = req.headers['x-request-id'];
    const requestId = REQUEST_ID.test(given ?? '') ? given : randomUUID();
    const [path] = req.url.split('?', 1);
    let reply;
    try {
      reply = await answer(req, path);
    } catch (error) {
      logger.error('request failed', { error, requestId, path });
      reply = { status: 500, body: { error: 'internal error', requestId } };
    }
    const text = JSON.stringify(reply.body);
    res.writeHead(reply.status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'x-request-id': requestId,
      ...(draining ? { connection: 'close' } : {}),
      ...reply.headers,
    });
    res.end(req.method === 'HEAD' ? undefined : text);

    const milliseconds = Number(process.hrtime.bigint() - started) / 1e6;
    const known = Object.hasOwn(routes, path);
    const tags = [`route:${known ? path : 'unknown'}`, `method:${req.method}`, `status_class:${Math.floor(reply.status / 100)}xx`];
    statsd.increment('http.server.requests', tags);
    statsd.timing('http.server.duration', milliseconds, tags);
    const level = path === '/healthz' || path === '/readyz' ? 'debug' : 'info';
    logger[level]('request', { requestId, method: req.method, path, status: reply.status, durationMs: Math.round(milliseconds) });
  }

  return {
    listener,
    /** From now on the service says that it is not ready, so that no new requests are routed to it. */
    drain: () => {
      draining = true;
    },
  };
}

async function failing(checks) {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await check();
        return null;
      } catch {
        return name;
      }
    }),
  );
  return results.filter(name => name !== null);
}
