import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { Script } from 'node:vm'
import { configureHeap, withUsualFlags } from './heap.ts'

/** In dist/: the whole program as one function, and what V8 compiled of it when it was built. */
export const bundleFile = 'gatewright.cjs'
export const codeCacheFile = 'gatewright.cache'

/**
 * Around the program, which makes it a function. In the file, because a text that is put together here would be one
 * copy more. `bundleUrl` stands for `import.meta.url`.
 */
export const bundleStart = '(function (require, module, exports, bundleUrl) {'
export const bundleEnd = '})'

/**
 * What the program needs of Node.js, whichever command it is asked for. Node.js has compiled them, for the flags that V8
 * has by itself; with others V8 compiles them anew, which is 3 % of a start.
 */
const nodeModules = [
  'node:assert',
  'node:child_process',
  'node:cluster',
  'node:crypto',
  'node:dns',
  'node:fs/promises',
  'node:http2',
  'node:https',
  'node:perf_hooks',
  'node:timers/promises',
  'node:zlib',
]

/** The program as V8 has it. */
export interface Bundle {
  readonly script: Script
  /** Does what the arguments of the process say. */
  run(): void
}

/**
 * Reads the program. Reading 800 modules and compiling them is most of a start, so that the build puts them into one
 * file and keeps the code that V8 makes of it. Node's own compile cache is not used: it is for one user id only.
 * A code cache of another version of V8, or for other flags of it, is not taken, and the start is slower then.
 * @param folder dist/
 */
export function loadBundle(folder: string): Bundle {
  // Set here, not on the command line, because the code cache is good for the same flags only.
  configureHeap()
  const filename = join(folder, bundleFile)
  const cache = join(folder, codeCacheFile)
  // What is not ASCII is escaped in it: a text of one byte for each character takes half of the memory.
  const text = readFileSync(filename, 'latin1')
  const script = new Script(text, {
    filename,
    ...(existsSync(cache) && { cachedData: readFileSync(cache) }),
  })
  // Not before the program is read: V8 would not give back then what a start leaves behind, for half a minute.
  withUsualFlags(() => {
    for (const name of nodeModules) process.getBuiltinModule(name)
  })
  const start = script.runInThisContext() as (...values: readonly unknown[]) => void
  return {
    script,
    run() {
      const module = { exports: {} }
      start(createRequire(filename), module, module.exports, pathToFileURL(filename).href)
    },
  }
}
