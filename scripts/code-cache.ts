/** Fills the code cache of dist/, which was just built: runs the program once, so that V8 has compiled what it needs. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { codeCacheFile, runBundle } from '../src/bundle.ts'

const root = new URL('..', import.meta.url).pathname
const dist = join(root, 'dist')
process.argv.splice(2, process.argv.length, 'translate', '-f', join(root, 'examples/quickstart'))
const script = runBundle(dist)
process.on('exit', () => writeFileSync(join(dist, codeCacheFile), script.createCachedData()))
