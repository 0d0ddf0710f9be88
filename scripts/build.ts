/**
 * Makes dist/ of src/:
 *
 *   main.js             the command; runs the bundle
 *   gatewright.cjs      the program with all packages that it always needs
 *   gatewright.cache    what V8 compiles of it for translating the quickstart, and for serving
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { build, type Plugin } from 'esbuild'
import { bundleEnd, bundleFile, bundleStart, loadBundle } from '../src/bundle.ts'

const root = new URL('..', import.meta.url).pathname
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)

/**
 * zod hands out the messages of all languages in one object, so that esbuild cannot see that nobody asks for them.
 * We write messages of our own (`describeIssue`).
 */
const withoutLanguages: Plugin = {
  name: 'without-languages',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({ contents: 'export {}' }))
  },
}

const common = { platform: 'node', target: 'node24', bundle: true, logLevel: 'warning' } as const
await build({
  ...common,
  entryPoints: [join(root, 'src/main.ts')],
  outfile: join(dist, bundleFile),
  format: 'cjs',
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: bundleStart },
  footer: { js: bundleEnd },
  // Few need the first, which is four times as large as everything else, and nobody the others: gRPC would load protos
  // with the second, Fastify would compile schemas, log, and inject requests with the rest. They stay where npm puts them.
  external: [
    '@kubernetes/client-node',
    '@grpc/proto-loader',
    '@fastify/ajv-compiler',
    '@fastify/fast-json-stringify-compiler',
    'light-my-request',
    'pino',
  ],
  plugins: [withoutLanguages],
  // A script has no way to import that is not experimental: what is loaded late is required, modules too.
  supported: { 'dynamic-import': false },
  // V8 keeps the text. Names stay, for stack traces; the map tells the rest.
  minifyWhitespace: true,
  lineLimit: 160,
  legalComments: 'none',
  sourcemap: true,
})
await build({ ...common, entryPoints: [join(root, 'src/launch.ts')], outfile: join(dist, 'main.js'), format: 'esm' })
execFileSync(process.execPath, ['--disable-proto=delete', join(root, 'scripts/code-cache.ts')], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
})
// A cache that is not taken would be noticed by nobody: starts are slow then, that is all.
const { cachedDataRejected } = loadBundle(dist).script
if (cachedDataRejected !== false) throw new Error('V8 does not take the code cache: was it made with other flags?')
