// What the bundle is asked, in Node and in goja alike. oracle({vars, workUnits}) gives a function from a case {s, m, o} (source, mode,
// options) to its answer: {v} with the value spelled out, or {e, x, l, c, b} with message, "is a syntax error", line,
// column and "is a limit".
const types = { 'github.com': 'github', 'gitlab.com': 'gitlab', 'bitbucket.org': 'bitbucketCloud', 'dev.azure.com': 'azure' };
const integrations = { byHost: host => Object.hasOwn(types, host) ? { type: types[host] } : undefined };

// capabilities are what Backstage registers; a renderer for steps has always() and failure() too.
const capabilities = () => ({
  allowRegexExecution: true,
  filters: {
    parseRepoUrl: url => nunjitsu.parseRepoUrl(url, integrations),
    parseEntityRef: (ref, context) => nunjitsu.parseEntityRef(ref, context),
    pick: (object, path) => nunjitsu.pick(object, path),
    projectSlug: url => {
      const { owner, repo } = nunjitsu.parseRepoUrl(url, integrations);
      return `${owner}/${repo}`;
    },
  },
});

// wellFormed replaces lone surrogates, as writing UTF-8 does.
function wellFormed(s) {
  let out = '';
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i), next = s.charCodeAt(i + 1);
    if (c >= 0xD800 && c < 0xDC00 && next >= 0xDC00 && next < 0xE000) out += s[i] + s[++i];
    else out += c >= 0xD800 && c < 0xE000 ? '\uFFFD' : s[i];
  }
  return out;
}

// spell writes a value so that undefined, -0, NaN and infinities can be told; absent items are null as in JSON.
function spell(v) {
  if (v === undefined) return 'undefined';
  if (typeof v === 'string') return JSON.stringify(wellFormed(v));
  if (Object.is(v, -0)) return '-0';
  if (v === null || typeof v !== 'object') return String(v);
  if (Array.isArray(v)) return '[' + Array.from(v, x => x === undefined ? 'null' : spell(x)).join(',') + ']';
  return '{' + Object.keys(v).map(k => JSON.stringify(wellFormed(k)) + ':' + spell(v[k])).join(',') + '}';
}

function oracle({ vars, workUnits }) {
  const limits = workUnits ? { limits: { workUnits } } : {};
  const renderers = {};
  return function answer({ s, m, o = 0 }) {
    const r = renderers[o] ??= (() => {
      const renderer = nunjitsu.createTemplateRenderer({
        ...capabilities(),
        globals: { always: () => true, failure: () => false },
        cookiecutterCompat: (o & 1) !== 0, trimBlocks: (o & 2) !== 0, lstripBlocks: (o & 4) !== 0,
      });
      return { renderer, context: renderer.prepareContext(vars) };
    })();
    try {
      if (m === 'render') return { v: spell(r.renderer.render(s, r.context, limits)) };
      return { v: spell(r.renderer.renderValue(s, r.context, m === 'legacy' ? { coercion: 'json', ...limits } : limits)) };
    } catch (e) {
      return { e: e.message, x: e.code === 'syntax_error', l: e.line, c: e.column, b: e.name === 'TemplateLimitError' };
    }
  };
}
