// node build.mjs SOURCE OUT, in the folder that holds node_modules: bundles the app as Backstage's own build would.
import { build } from 'esbuild';
import fs from 'node:fs';
const [source, out] = process.argv.slice(2);
await build({
  entryPoints: [`${source}/index.jsx`], outdir: out, bundle: true, splitting: true, format: 'esm', jsx: 'automatic',
  minify: true, target: 'es2022', logLevel: 'error', nodePaths: ['node_modules'],
  loader: { '.svg': 'file', '.png': 'file', '.woff': 'file', '.woff2': 'file', '.ttf': 'file', '.eot': 'file', '.md': 'text', '.yaml': 'text' },
  alias: { stream: 'stream-browserify', buffer: 'buffer/' },
  inject: [`${source}/shim.js`],
  define: { 'process.env.NODE_ENV': '"production"', 'process.env.APP_CONFIG': 'undefined', global: 'window', __dirname: '"/"' },
});
fs.writeFileSync(`${out}/index.html`, '<!doctype html><html><head><meta charset="utf-8"><title>Portal</title><base href="/"><link rel="stylesheet" href="/index.css"><script type="backstage.io/config">__CONFIG__</script></head><body><div id="root"></div><script type="module" src="/index.js"></script></body></html>\n');
