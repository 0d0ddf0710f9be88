/**
 * Fills a folder with what the image of the control plane holds under /app: dist/, the bootstrap of Envoy, and the packages that it is
 * made of, with their licenses. The Dockerfile and the end-to-end tests, which have no Docker, make the same image of it.
 * Usage: node scripts/image-files.ts FOLDER (emptied first)
 */
import { cpSync, existsSync, lstatSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import process from 'node:process'

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly devOptional?: boolean; readonly optional?: boolean }>
  >
}

const root = new URL('..', import.meta.url).pathname
const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node scripts/image-files.ts FOLDER')
rmSync(folder, { recursive: true, force: true })

/** Types, source maps and documents: half of the bytes, and nothing that runs. */
const needless =
  /\.(d\.[cm]?ts|ts|map|md|markdown|flow|tsbuildinfo)$|^(\.github|test|tests|docs|benchmarks?|examples?)$/

function copy(from: string): void {
  const source = join(root, from)
  cpSync(source, join(folder as string, from), {
    recursive: true,
    // npm's own folders in a package are packages of the lock file: they come by themselves, or not at all.
    filter: (path) =>
      path === source || (basename(path) !== 'node_modules' && !needless.test(basename(path)) && !isLink(path)),
  })
}

function isLink(path: string): boolean {
  return lstatSync(path).isSymbolicLink()
}

copy('dist')
copy('envoy-bootstrap')
copy('package.json')
copy('LICENSE')
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock
let count = 0
for (const [path, { dev, devOptional, optional }] of Object.entries(lock.packages)) {
  if (!path.startsWith('node_modules/') || dev || devOptional) continue
  if (!existsSync(join(root, path))) {
    if (optional) continue
    throw new Error(`${path} is missing: run "npm install"`)
  }
  copy(path)
  count++
}
console.log(`dist and ${count} packages`)
