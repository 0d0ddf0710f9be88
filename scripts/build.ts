/**
 * Makes dist/ of src/:
 *
 *   main.js             the command; runs the bundle
 *   gatewright.cjs      the program with all packages that it always needs
 *   gatewright.cache    what V8 compiles of it for translating the quickstart
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { build } from 'esbuild'
import { bundleFile } from '../src/bundle.ts'

const root = new URL('..', import.meta.url).pathname
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)
const common = { platform: 'node', target: 'node24', bundle: true, logLevel: 'warning' } as const
await build({
  ...common,
  entryPoints: [join(root, 'src/main.ts')],
  outfile: join(dist, bundleFile),
  format: 'cjs',
  define: { 'import.meta.url': 'bundleUrl' },
  // Few need the one, which is four times as large as everything else, and nobody the other.
  external: ['@kubernetes/client-node', '@grpc/proto-loader'],
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
